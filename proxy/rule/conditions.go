package rule

import (
	"maps"
	"slices"
)

// stanzaErrors are the conditions of RFC 6120 §8.3.3 with the type that goes with
// each (§8.3.2).
var stanzaErrors = map[string]string{
	"bad-request": "modify", "conflict": "cancel", "feature-not-implemented": "cancel", "forbidden": "auth", "gone": "cancel", "internal-server-error": "cancel",
	"item-not-found": "cancel", "jid-malformed": "modify", "not-acceptable": "modify", "not-allowed": "cancel", "not-authorized": "auth", "policy-violation": "modify",
	"recipient-unavailable": "wait", "redirect": "modify", "registration-required": "auth", "remote-server-not-found": "cancel", "remote-server-timeout": "wait",
	"resource-constraint": "wait", "service-unavailable": "cancel", "subscription-required": "auth", "undefined-condition": "cancel", "unexpected-request": "wait",
}

// errorTypes are those of RFC 6120 §8.3.2.
var errorTypes = []string{"auth", "cancel", "continue", "modify", "wait"}

// saslErrors are the conditions of RFC 6120 §6.5.
var saslErrors = []string{
	"aborted", "account-disabled", "credentials-expired", "encryption-required", "incorrect-encoding", "invalid-authzid", "invalid-mechanism", "malformed-request",
	"mechanism-too-weak", "not-authorized", "temporary-auth-failure",
}

// streamErrors are the conditions of RFC 6120 §4.9.3.
var streamErrors = []string{
	"bad-format", "bad-namespace-prefix", "conflict", "connection-timeout", "host-gone", "host-unknown", "improper-addressing", "internal-server-error", "invalid-from",
	"invalid-namespace", "invalid-xml", "not-authorized", "not-well-formed", "policy-violation", "remote-connection-failed", "reset", "resource-constraint", "restricted-xml",
	"system-shutdown", "undefined-condition", "unsupported-encoding", "unsupported-feature", "unsupported-stanza-type", "unsupported-version",
}

// answerable are the conditions that an answer can have.
func answerable() []string {
	return append(slices.Sorted(maps.Keys(stanzaErrors)), saslErrors...)
}
