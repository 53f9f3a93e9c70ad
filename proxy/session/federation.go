package session

// This file is what is different between servers (RFC 6120 §4.2, XEP-0178,
// XEP-0220): the client is the server that connects.

// KindS2S is the kind of a session between two servers.
const KindS2S = "s2s"
