package stanza

import "fmt"

// The conditions of errors in words, in the order of the RFC's sections.
var (
	stanzaConditions = []condition{ // RFC 6120 §8.3.3
		{"bad-request", "The stanza is malformed, or not what the receiver can work on."},
		{"conflict", "Something of that name or address is there already."},
		{"feature-not-implemented", "The receiver knows the feature, but does not do it."},
		{"forbidden", "The sender lacks the rights for it."},
		{"gone", "The receiver can no longer be reached at this address."},
		{"internal-server-error", "The server failed by itself and cannot work on the stanza."},
		{"item-not-found", "There is no such address, node or item."},
		{"jid-malformed", "An address in the stanza is none."},
		{"not-acceptable", "The receiver understands it, but does not accept it by its own criteria."},
		{"not-allowed", "Nobody may do that, or not in this state."},
		{"not-authorized", "The sender has to log in first, or with better credentials."},
		{"policy-violation", "It breaks a rule of the service, such as a limit on size or rate."},
		{"recipient-unavailable", "The receiver is not online."},
		{"redirect", "Ask somebody else for now."},
		{"registration-required", "The sender has to register or be a member first."},
		{"remote-server-not-found", "The server of the address does not exist, or its name cannot be resolved."},
		{"remote-server-timeout", "The server of the address did not answer in time."},
		{"resource-constraint", "The receiver is too busy, or short of resources."},
		{"service-unavailable", "Nobody there offers that; also said to strangers who shall learn nothing."},
		{"subscription-required", "The sender has to subscribe to presence first."},
		{"undefined-condition", "A condition of the application, named beside it."},
		{"unexpected-request", "It came at the wrong time, or out of order."},
	}
	streamConditions = []condition{ // RFC 6120 §4.9.3
		{"bad-format", "The XML cannot be processed."},
		{"bad-namespace-prefix", "A prefix is not supported, or one that has to be there is missing."},
		{"conflict", "A newer stream took the place of this one, often one of the same resource."},
		{"connection-timeout", "The other side was not heard of for too long."},
		{"host-gone", "The domain is no longer served here."},
		{"host-unknown", "The domain in to is not served here."},
		{"improper-addressing", "Between servers to or from is missing, or is no address."},
		{"internal-server-error", "The server failed by itself."},
		{"invalid-from", "The address in from is not that of the login, or of the domain that was verified."},
		{"invalid-namespace", "The namespace of the stream or its content is wrong."},
		{"invalid-xml", "The XML does not fit the schema."},
		{"not-authorized", "Something was sent before the login, or without the right to."},
		{"not-well-formed", "The XML is not well-formed, or not well-formed as to namespaces."},
		{"policy-violation", "It breaks a rule of the service."},
		{"remote-connection-failed", "A server that is needed, such as one for authentication, cannot be reached."},
		{"reset", "The stream has to begin anew, for instance for new keys or features."},
		{"resource-constraint", "The server lacks resources for the stream."},
		{"restricted-xml", "Comments, processing instructions, DTDs or entities are not allowed."},
		{"see-other-host", "Connect to the host that is named instead."},
		{"system-shutdown", "The server is shut down."},
		{"undefined-condition", "A condition of the application, named beside it."},
		{"unsupported-encoding", "The encoding is not UTF-8."},
		{"unsupported-feature", "A feature that one side demands is not there on the other."},
		{"unsupported-stanza-type", "A first-level element that is not understood."},
		{"unsupported-version", "The version of the stream is not supported."},
	}
	saslConditions = []condition{ // RFC 6120 §6.5
		{"aborted", "The client broke the login off."},
		{"account-disabled", "The account is locked for now."},
		{"credentials-expired", "The password has expired."},
		{"encryption-required", "The mechanism is allowed only with TLS."},
		{"incorrect-encoding", "The base64 is wrong."},
		{"invalid-authzid", "The identity that was asked for is malformed, or not the user's to take."},
		{"invalid-mechanism", "The mechanism was not offered."},
		{"malformed-request", "The message of the mechanism is malformed."},
		{"mechanism-too-weak", "The mechanism is weaker than the server's policy wants."},
		{"not-authorized", "Wrong user or password, or a proof that does not fit."},
		{"temporary-auth-failure", "The server cannot check it for now."},
	}
	errorTypes = map[string]string{
		"cancel": "do not retry", "continue": "only a warning", "modify": "retry with changed data", "auth": "retry with credentials", "wait": "retry later",
	}
)

type condition struct{ name, text string }

// meaningOfCondition says what the condition of an error means.
func meaningOfCondition(n *Node, name string) (Meaning, bool) {
	list, section := stanzaConditions, "8.3.3"
	switch {
	case n.NS == nsStreams:
		list, section = streamConditions, "4.9.3"
	case n.NS == nsSASL, n.NS == nsSASL2:
		list, section = saslConditions, "6.5"
	}
	for i, c := range list {
		if c.name == name {
			return Meaning{c.text, fmt.Sprintf("RFC 6120 §%s.%d", section, i+1)}, true
		}
	}
	return Meaning{}, false
}
