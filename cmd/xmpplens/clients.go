package main

import (
	"slices"
	"strings"
)

// A client is what has to be known of an XMPP client or library to put it in
// front of the proxy. In the texts {addr}, {host} and {port} are where the proxy
// listens, {domain} is the domain of the account, {ca} the certificate of the
// proxy's authority and {keys} a file for TLS keys. What a client lacks is said,
// not left out.
type client struct {
	Name    string   // as it is given on the command line
	Aliases []string // other ways to write it
	Title   string   // as its makers write it
	Program string   // the command of an installed one, "" when it is a library or an app
	Browser bool     // speaks XMPP over HTTP only, from a page

	Finds   string // how it finds the server of a domain
	Setting string // where host and port are set
	Trust   string // how it comes to trust the authority
	Binding string // what it binds a login to
	SOCKS   string // its setting for a SOCKS5 proxy
	Keys    string // how it logs its TLS keys, for --tap
	Seen    string // what the facts were read in, or tried with
}

// clients are known, in the order of the alphabet. Each fact was read in the
// client's source or documentation, or tried with the version named in Seen.
var clients = []*client{
	{
		Name: "conversations", Title: "Conversations (Android)",
		Finds:   "SRV records (direct TLS and STARTTLS), then the domain itself. What connected last is remembered and tried after them, so that a proxy found by DNS alone is passed by when it does not answer",
		Setting: `"Extended connection settings" in the expert settings; then in the account Hostname {host} and Port {port}. Ports 443 and 5223 mean direct TLS, all others STARTTLS. From a phone on USB or an emulator 127.0.0.1 is this machine after: adb reverse tcp:{port} tcp:{port}`,
		Trust:   `install {ca} as a CA certificate in Android's settings (xmpplens ca trust), or accept it in the dialog "Accept Unknown Certificate?": that lasts until xmpplens is started again`,
		Binding: "SCRAM-SHA-1, -256 and -512 with -PLUS (tls-exporter, tls-server-end-point, tls-unique), SASL2 with FAST: give --account when the server offers them",
		SOCKS:   `"Connect via Tor" goes to a SOCKS5 proxy at 127.0.0.1:9050 of the phone, with the names unresolved; to bring it here: adb reverse tcp:9050 tcp:1080`,
		Keys:    "no way: the app does not log them",
		Seen:    "its README and sources of 2 (2023 to 2025)",
	},
	{
		Name: "converse.js", Aliases: []string{"converse", "conversejs"}, Title: "Converse.js", Browser: true,
		Finds:   "https://{domain}/.well-known/host-meta (XML, not JSON), unless discover_connection_methods is false; what is found there overrides the settings",
		Setting: `converse.initialize({ websocket_url: "ws://{addr}/PATH", discover_connection_methods: false, … }), or bosh_service_url with http://`,
		Trust:   "none is needed for ws:// and http:// to this machine; for wss:// the browser must trust {ca} (xmpplens ca trust: Firefox, Chromium, NSS)",
		Binding: "nothing: a page does not see the TLS channel. Interception always works",
		SOCKS:   "none of its own; a browser's proxy setting would bring all of its HTTP traffic",
		Keys:    "the browser does: SSLKEYLOGFILE={keys} chromium …, or firefox",
		Seen:    "14.0.0",
	},
	{
		Name: "dino", Title: "Dino", Program: "dino",
		Finds:   "SRV records, xmpp-client and xmpps-client by priority, then {domain}:5222",
		Setting: "none: use a hosts line, SRV records or a redirect",
		Trust:   "the system's store only (xmpplens ca trust); there is no dialog to accept a certificate, and GnuTLS does not read SSL_CERT_FILE",
		Binding: "nothing (SCRAM-SHA-1 and PLAIN, SASL2). Interception works",
		SOCKS:   "no setting in Dino; GLib follows the desktop's (GNOME: Settings, Network, Proxy, Socks host), and outside of GNOME all_proxy=socks5://127.0.0.1:1080",
		Keys:    "SSLKEYLOGFILE={keys} dino (GnuTLS); as a Flatpak: flatpak run --env=SSLKEYLOGFILE={keys} im.dino.Dino",
		Seen:    "sources of 0.5.1 and 2026-06",
	},
	{
		Name: "gajim", Title: "Gajim", Program: "gajim",
		Finds:   "SRV records, xmpps-client before xmpp-client, then {domain}:5222 and host-meta for WebSocket",
		Setting: `Preferences, the account, Connection, Hostname: Enable, Hostname {host}, Port {port}, Type "START TLS" (or "DIRECT TLS"); in the wizard for a new account "Advanced". A hostname that begins with ws:// or wss:// means WebSocket`,
		Trust:   "the system's store (xmpplens ca trust; GnuTLS does not read SSL_CERT_FILE), or accept the certificate in Gajim's dialog: that lasts until xmpplens is started again",
		Binding: "nothing: -PLUS is switched off in nbxmpp, since reading the binding crashes. Interception works",
		SOCKS:   `Preferences, the account, Connection, Proxy, the gear: a proxy of type SOCKS5, host 127.0.0.1, port 1080`,
		Keys:    "SSLKEYLOGFILE={keys} gajim (GnuTLS); as a Flatpak: flatpak run --env=SSLKEYLOGFILE={keys} org.gajim.Gajim",
		Seen:    "sources of 2026-08, nbxmpp of 2026-06 and 4.2.2 (Debian 12, tried)",
	},
	{
		Name: "go-sendxmpp", Aliases: []string{"gosendxmpp"}, Title: "go-sendxmpp", Program: "go-sendxmpp",
		Finds:   "SRV records, then {domain}:5222",
		Setting: "go-sendxmpp -u USER@{domain} -j {addr} … (-t for direct TLS)",
		Trust:   "env -u SSL_CERT_DIR SSL_CERT_FILE={ca} go-sendxmpp …",
		Binding: "0.5 logs in with PLAIN; newer ones with SCRAM and -PLUS (tls-exporter, tls-server-end-point, tls-unique) and SASL2: give --account when the server offers them",
		SOCKS:   "HTTP_PROXY=socks5://127.0.0.1:1080 with a go-xmpp that knows SOCKS5 (not 0.5)",
		Keys:    "no way: the program does not log them",
		Seen:    "0.5.6 (Debian 12, tried), go-xmpp of 2026-06",
	},
	{
		Name: "mellium", Aliases: []string{"mellium.im/xmpp"}, Title: "mellium.im/xmpp (Go)",
		Finds:   "package dial: SRV records, xmpps-client and xmpp-client",
		Setting: `conn, err := net.Dial("tcp", "{addr}"), then xmpp.NewSession with that connection`,
		Trust:   `the tls.Config of xmpp.StartTLS: RootCAs with {ca} in it, ServerName "{domain}"; or SSL_CERT_FILE={ca} without SSL_CERT_DIR`,
		Binding: "-PLUS when it is among the mechanisms given to xmpp.SASL and the server offers it; says n when it was taken away, so interception works",
		SOCKS:   `proxy.SOCKS5("tcp", "127.0.0.1:1080", nil, proxy.Direct) of golang.org/x/net/proxy, in place of net.Dial`,
		Keys:    "tls.Config.KeyLogWriter, with the file {keys} opened for appending",
		Seen:    "0.22.0 (tried)",
	},
	{
		Name: "profanity", Title: "Profanity", Program: "profanity",
		Finds:   "SRV records, then {domain}:5222",
		Setting: "/account set NAME server {host}, /account set NAME port {port}; for direct TLS /account set NAME tls direct. For once: /connect USER@{domain} server {host} port {port}",
		Trust:   "env -u SSL_CERT_DIR SSL_CERT_FILE={ca} profanity (libstrophe with OpenSSL, as in Debian), or /tls certpath set DIRECTORY, or not to check at all /account set NAME tls trust",
		Binding: "nothing before libstrophe 0.13; from then on SCRAM with -PLUS (tls-exporter, tls-unique): give --account when the server offers it",
		SOCKS:   "none for XMPP: use proxychains4 profanity, or another way",
		Keys:    "SSLKEYLOGFILE={keys} profanity with libstrophe 0.14 or later (OpenSSL); Debian 12 has 0.12, which cannot",
		Seen:    "0.13.1 with libstrophe 0.12.2 (Debian 12, tried), sources of 2026-07",
	},
	{
		Name: "slixmpp", Title: "slixmpp (Python)",
		Finds:   "SRV records of xmpp-client, then {domain}:5222",
		Setting: `client.connect(("{host}", {port})); up to 1.8 with use_ssl=True for direct TLS`,
		Trust:   `client.ca_certs = "{ca}"; or SSL_CERT_FILE={ca}`,
		Binding: "SCRAM-SHA-1, -256 and -512 with -PLUS (tls-unique: only with TLS 1.2); when it was taken away says y, which Prosody refuses: then give --account with --client-tls-max=1.2, or --mechanisms=PLAIN",
		SOCKS:   "none: python3 under proxychains4, or another way",
		Keys:    "SSLKEYLOGFILE={keys} python3 … (Python's ssl module, 3.8 and later)",
		Seen:    "1.8.3 (tried)",
	},
	{
		Name: "smack", Title: "Smack (Java)",
		Finds:   "SRV records of xmpp-client, then {domain}:5222",
		Setting: `XMPPTCPConnectionConfiguration.builder().setXmppDomain("{domain}").setHost("{host}").setPort({port})`,
		Trust:   "-Djavax.net.ssl.trustStore=… (xmpplens ca trust: Java), or setCustomX509TrustManager. On Android the app's network security configuration must take user authorities",
		Binding: "SCRAM-SHA-1-PLUS (tls-server-end-point) is there and switched off: interception works unless the program removed it from SASLAuthentication's blacklist; then --cert and --key help, too",
		SOCKS:   `setProxyInfo(ProxyInfo.forSocks5Proxy("127.0.0.1", 1080, null, null))`,
		Keys:    "not by Java itself; an agent does: -javaagent:extract-tls-secrets.jar={keys}",
		Seen:    "sources of 4.5.0-rc2",
	},
	{
		Name: "strophe.js", Aliases: []string{"strophe", "strophejs"}, Title: "Strophe.js", Browser: true,
		Finds:   "does not look: the page gives the address",
		Setting: `new Strophe.Connection("ws://{addr}/PATH"); on an https page and for BOSH wss://, https:// or http:// in the same way`,
		Trust:   "none is needed for ws:// and http:// to this machine; for wss:// the browser must trust {ca} (xmpplens ca trust), Node.js takes NODE_EXTRA_CA_CERTS={ca}",
		Binding: "nothing: a page does not see the TLS channel. Interception always works",
		SOCKS:   "none of its own; a browser's proxy setting would bring all of its HTTP traffic",
		Keys:    "the browser does: SSLKEYLOGFILE={keys} chromium …; in Node.js: node --tls-keylog={keys} …",
		Seen:    "5.0.0",
	},
	{
		Name: "xmpp.js", Aliases: []string{"xmppjs", "@xmpp/client"}, Title: "xmpp.js (@xmpp/client)",
		Finds:   `with the domain alone as service: SRV records and host-meta, the most secure first`,
		Setting: `client({ service: "xmpp://{addr}", domain: "{domain}", … }). With direct TLS (xmpps://) it names no server in the handshake and wants a certificate of the service's host: use a hosts line and the host's name, also as UPSTREAM`,
		Trust:   "NODE_EXTRA_CA_CERTS={ca} node …",
		Binding: "nothing (SCRAM-SHA-1 and PLAIN; SASL2 with FAST of kind -NONE). Interception works",
		SOCKS:   "none for TCP: use another way",
		Keys:    "node --tls-keylog={keys} … (Node.js 12.16 and later)",
		Seen:    "0.14.0 (tried)",
	},
}

// clientNamed finds a client by its name, or returns nil.
func clientNamed(name string) *client {
	name = strings.ToLower(name)
	for _, c := range clients {
		if c.Name == name || slices.Contains(c.Aliases, name) {
			return c
		}
	}
	return nil
}

// clientNames is the list for messages.
func clientNames() string {
	names := make([]string, len(clients))
	for i, c := range clients {
		names[i] = c.Name
	}
	return strings.Join(names, ", ")
}
