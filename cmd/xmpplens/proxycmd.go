package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/xmpplens/xmpplens/proxy"
	"github.com/xmpplens/xmpplens/proxy/session"
)

type proxyCmd struct {
	Upstream     string        `arg:"" optional:"" help:"Where the server is: DOMAIN (SRV look-up), HOST:PORT, tls://HOST:PORT, ws(s)://HOST/PATH (WebSocket), http(s)://HOST/PATH (BOSH), or * for the domain that is asked for; left out with --target and --kind=s2s it is *."`
	Listen       []string      `short:"l" sep:"none" placeholder:"ADDR" help:"Address for clients, host:port or unix:PATH; may be given several times (127.0.0.1:5222; port 5269 with --kind=s2s, 5347 with component)."`
	Kind         string        `enum:"c2s,s2s,component" default:"c2s" help:"Who connects: ${enum}."`
	Target       []string      `sep:"none" placeholder:"DOMAIN=HOST:PORT" help:"Where the server of a domain is, whatever UPSTREAM says; may be given several times."`
	SecretFile   string        `placeholder:"FILE" type:"path" help:"The secret of a component, to check its handshake."`
	ClientTLS    string        `name:"client-tls" enum:"mirror,off,starttls,direct" default:"mirror" help:"TLS with the client: ${enum}; mirror = as the client asks."`
	ServerTLS    string        `name:"server-tls" enum:"mirror,off,starttls,direct" default:"mirror" help:"TLS with the server: ${enum}; mirror = as the client asks."`
	Cert         string        `placeholder:"FILE" type:"path" help:"The server's own certificate (PEM, with its chain), shown to clients instead of one of the proxy's authority."`
	Key          string        `placeholder:"FILE" type:"path" help:"The key of --cert (PEM)."`
	ServerCA     string        `name:"server-ca" placeholder:"FILE" type:"path" help:"Authorities for the server's certificate (PEM), instead of the system's."`
	Insecure     bool          `help:"Accept any certificate of the server."`
	ClientTLSMax string        `name:"client-tls-max" enum:"1.2,1.3," default:"" placeholder:"1.2|1.3" help:"Highest TLS version with the client."`
	ServerTLSMax string        `name:"server-tls-max" enum:"1.2,1.3," default:"" placeholder:"1.2|1.3" help:"Highest TLS version with the server."`
	Mechanisms   []string      `placeholder:"LIST" help:"SASL mechanisms that the client is offered, as far as the server has them."`
	Account      []string      `sep:"none" placeholder:"JID" help:"Log in on each leg by itself for this account, whose password is in --password-file; may be given several times."`
	PasswordFile []string      `sep:"none" placeholder:"FILE" type:"path" help:"The password of --account, in the same order; or lines of address and password for several accounts."`
	Tap          bool          `help:"Alter nothing, end no TLS: read along with the secrets of --keylog."`
	Keylog       string        `placeholder:"FILE" type:"path" help:"The file that the client (or the server) writes its TLS secrets to, see SSLKEYLOGFILE; it may grow meanwhile."`
	Compression  string        `enum:"strip,inflate" default:"strip" placeholder:"strip|inflate" help:"Stream compression (XEP-0138): strip takes it out of the offer, inflate passes it on and reads it."`
	Resolver     string        `placeholder:"ADDR" help:"DNS server for the upstream, instead of the system's."`
	CADir        string        `name:"ca-dir" placeholder:"DIR" type:"path" help:"Directory of the certificate authority."`
	Web          string        `default:"127.0.0.1:5299" placeholder:"ADDR" help:"Address of the viewer (${default}); port 0 takes a free one."`
	NoWeb        bool          `help:"No viewer."`
	Grace        time.Duration `default:"1s" help:"How long sessions may end by themselves at exit (${default})."`
	storage      `embed:""`
	ways         `embed:""`
	Armed        armed `embed:""`
	display      `embed:""`
}

func (proxyCmd) Examples() string {
	return `  xmpplens proxy example.org                               a domain, found by SRV; clients connect to 127.0.0.1:5222
  xmpplens proxy -w s.jsonl --server-ca ca.pem localhost:5222 -l 127.0.0.1:15222
  xmpplens proxy -w s.jsonl.zst --rotate-size=200MB --keep=10 example.org
                                                           for weeks: compressed, in ten files at most
  xmpplens proxy --ring=200MB --ring-on=error example.org  hold the last 200 MB, keep them when something is wrong
  xmpplens proxy tls://chat.example.org:5223               direct TLS with the server
  xmpplens proxy --client-tls=off --server-tls=starttls localhost:5222
                                                           clear text with the client, TLS with the server
  xmpplens proxy --target a.example=10.0.0.1:5222 --target b.example=10.0.0.2:5222
                                                           several domains, by the one that the client asks for
  xmpplens proxy --kind=s2s --server-ca ca.pem --target a.example=10.0.0.1:5269 --target b.example=10.0.0.2:5269
                                                           two servers that find each other at the proxy
  xmpplens proxy --account=me@example.org --password-file=pw example.org
                                                           logins that are bound to the TLS channel, on each leg
  xmpplens proxy --cert=server.pem --key=server.key example.org
                                                           the same certificate on both legs (tls-server-end-point)
  xmpplens proxy -l 127.0.0.1:8080 https://chat.example.org/http-bind
                                                           BOSH: a web client then uses http://127.0.0.1:8080/http-bind
  xmpplens proxy -l 127.0.0.1:5281 wss://chat.example.org/xmpp-websocket
                                                           XMPP over WebSocket, and the web client of the same host
  xmpplens proxy --mechanisms=PLAIN example.org            for clients that insist on channel binding
  xmpplens proxy --listen-socks=127.0.0.1:1080             any domain, for clients with a setting for a SOCKS5 proxy
  xmpplens proxy --transparent -l 127.0.0.1:15222          what a firewall leads here (Linux), for instance with
    nft add table inet xmpplens
    nft 'add chain inet xmpplens out { type nat hook output priority -100; }'
    nft add rule inet xmpplens out meta skuid != USER tcp dport '{ 5222, 5223 }' redirect to :15222
                                                           where USER is who runs xmpplens; nft delete table inet xmpplens ends it
  xmpplens proxy --compression=inflate localhost:5222      stream compression is passed on and read
  xmpplens proxy --scenario=lost-acks example.org          what the client does when something goes wrong; --scenario=help lists more
  xmpplens proxy --rule 'drop if ns == "urn:xmpp:sm:3" and name == "a"' example.org
  xmpplens proxy --rule 'answer service-unavailable if iq and roster' --rule 'delay 2s jitter 1s if message' example.org
  xmpplens proxy --rules=mine.yaml --script=mine.star example.org
  xmpplens proxy --tap --keylog=keys.log example.org       alter nothing: read along with the client's TLS secrets
  xmpplens proxy --format=json example.org | jq .summary
In a terminal, keys: p pause, r resume, h hold the next, i inject, m mark, f filter, ? all of them, q quit`
}

func (c *proxyCmd) Run(s *streams) error {
	if c.Armed.asksHelp() {
		return listScenarios(s)
	}
	if err := c.storage.check(); err != nil {
		return err
	}
	p, err := c.configure()
	if err != nil {
		return err
	}
	if !c.Tap {
		if p.CA, err = authority(c.CADir); err != nil {
			return err
		}
	}
	listeners, err := c.listen()
	if err != nil {
		return err
	}
	defer closeAll(listeners)
	if p.Socks, err = c.ways.listen(); err != nil {
		return err
	}
	defer closeAll(p.Socks)
	// A closed pipe on stdout must not end the sessions.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := interruptible(s)
	defer stop()
	p.Crashed = restoreTerminal
	disarm, hide := func() {}, func() {}
	return (&lens{
		storage: c.storage, web: c.webAddress(), display: c.display, proxy: p, streams: s, armed: &c.Armed, tap: c.Tap, ctx: ctx,
		greet: func(viewer string) {
			who := map[string]string{"c2s": "clients", session.KindS2S: "servers", session.KindComponent: "components"}[c.Kind]
			if len(c.ListenSocks) > 0 {
				s.say("xmpplens: clients with a SOCKS5 proxy at %s", strings.Join(c.ListenSocks, ", "))
			}
			if len(listeners) > 0 {
				s.say("xmpplens: %s at %s, server %s", who, c.clientAddresses(p), p.Upstream)
			}
			if viewer != "" {
				s.say("xmpplens: viewer %s", viewer)
				end, err := (&running{URL: viewer, Listen: append(slices.Clone(c.Listen), c.ListenSocks...), PID: os.Getpid()}).announce()
				if err != nil {
					s.say("xmpplens: xmpplens send will need --url: %v", err)
				} else {
					hide = end
				}
			}
			disarm = c.Armed.start(p, s.say)
			if c.Tap {
				s.say("xmpplens: tap: nothing is altered, TLS passes untouched and is read with the keys in %s", c.Keylog)
				return
			}
			if c.Kind == session.KindComponent || p.Certificate != nil {
				return
			}
			s.say("xmpplens: %s must trust %s (xmpplens ca trust)", who, p.CA.Path())
		},
		serve: func() error {
			defer func() { disarm(); hide() }()
			return p.Serve(ctx, listeners...)
		},
	}).run()
}

// listen opens the addresses of --listen. A socket file that nobody listens on
// any more is taken over.
func (c *proxyCmd) listen() ([]net.Listener, error) {
	if len(c.Listen) == 0 && len(c.ListenSocks) > 0 && c.Upstream == "" && !c.Transparent {
		return nil, nil // all come through SOCKS
	}
	if len(c.Listen) == 0 {
		c.Listen = []string{map[string]string{"c2s": "127.0.0.1:5222", session.KindS2S: "127.0.0.1:5269", session.KindComponent: "127.0.0.1:5347"}[c.Kind]}
	}
	var out []net.Listener
	for i, addr := range c.Listen {
		network := "tcp"
		if path, ok := strings.CutPrefix(addr, "unix:"); ok {
			network, addr = "unix", path
			if conn, err := net.Dial("unix", path); err == nil {
				conn.Close()
			} else if errors.Is(err, syscall.ECONNREFUSED) {
				os.Remove(path)
			}
		}
		listen := net.Listen
		if c.Transparent && network == "tcp" {
			listen = func(_, addr string) (net.Listener, error) { return proxy.ListenTransparent(addr) }
		}
		ln, err := listen(network, addr)
		if err != nil {
			closeAll(out)
			return nil, &usageError{fmt.Errorf("listen for clients: %w", err), "choose another address with --listen; ports below 1024 need privileges"}
		}
		if network == "tcp" {
			c.Listen[i] = ln.Addr().String() // the port that 0 became
		}
		out = append(out, ln)
	}
	return out, nil
}

func closeAll(listeners []net.Listener) {
	for _, ln := range listeners {
		ln.Close()
	}
}

func (c *proxyCmd) webAddress() string {
	if c.NoWeb {
		return ""
	}
	return c.Web
}

// configure turns flags into a proxy and reports all mistakes at once.
func (c *proxyCmd) configure() (*proxy.Proxy, error) {
	var errs []error
	up, domains, err := c.upstream()
	if err != nil {
		errs = append(errs, err)
	}
	p := &proxy.Proxy{
		Upstream: up, Domains: domains, ClientTLS: session.TLSMode(c.ClientTLS), ServerTLS: session.TLSMode(c.ServerTLS),
		Insecure: c.Insecure, Kind: c.Kind, Mechanisms: c.Mechanisms, Grace: c.Grace, HoldLimit: c.Armed.HoldLimit,
	}
	if c.ClientTLSMax == "1.2" {
		p.ClientTLSMax = tls.VersionTLS12
	}
	if c.ServerTLSMax == "1.2" {
		p.ServerTLSMax = tls.VersionTLS12
	}
	errs = append(errs, c.ways.configure(p)...)
	errs = append(errs, c.tap(p)...)
	errs = append(errs, c.Armed.check(c.Tap)...)
	errs = append(errs, c.checkEndpoint(p)...)
	if c.Compression != "strip" {
		p.Compression = c.Compression
	}
	if c.Resolver != "" {
		p.Resolver = proxy.ResolverAt(c.Resolver)
	}
	if p.ServerCA, err = authorities(c.ServerCA); err != nil {
		errs = append(errs, err)
	}
	if (c.Cert == "") != (c.Key == "") {
		errs = append(errs, errors.New("--cert and --key go together"))
	} else if c.Cert != "" {
		pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
		if err != nil {
			errs = append(errs, fmt.Errorf("--cert, --key: %w", err))
		}
		p.Certificate = &pair
	}
	if c.SecretFile != "" {
		b, err := os.ReadFile(c.SecretFile)
		if err != nil {
			errs = append(errs, fmt.Errorf("--secret-file: %w", err))
		}
		p.Secret = strings.TrimRight(string(b), "\r\n")
		if c.Kind != session.KindComponent {
			errs = append(errs, errors.New("--secret-file goes with --kind=component"))
		}
	}
	if p.Accounts, err = c.accounts(); err != nil {
		errs = append(errs, err)
	}
	if c.Grace < 0 {
		errs = append(errs, errors.New("--grace is negative"))
	}
	if len(errs) > 0 {
		return nil, &usageError{errors.Join(errs...), "see xmpplens proxy --help"}
	}
	return p, nil
}

// upstream reads where servers are.
func (c *proxyCmd) upstream() (up proxy.Upstream, domains map[string]proxy.Upstream, err error) {
	var errs []error
	switch {
	case c.Upstream != "":
		up, err = proxy.ParseUpstreamOf(c.Kind, c.Upstream)
		errs = append(errs, err)
	case c.Kind == session.KindS2S || len(c.Target) > 0 || c.self():
		up.Any = true
	default:
		errs = append(errs, errors.New("the upstream is missing: say where the server is"))
	}
	domains = make(map[string]proxy.Upstream)
	for _, t := range c.Target {
		domain, u, err := proxy.ParseTarget(c.Kind, t)
		if _, twice := domains[domain]; twice && err == nil {
			err = fmt.Errorf("--target: %s is given twice", domain)
		}
		domains[domain] = u
		errs = append(errs, err)
	}
	return up, domains, errors.Join(errs...)
}

// authorities reads the file of --server-ca; nil, the system's, without one.
func authorities(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	pool := x509.NewCertPool()
	if err == nil && !pool.AppendCertsFromPEM(pem) {
		err = fmt.Errorf("%s holds no PEM certificate", file)
	}
	if err != nil {
		return nil, fmt.Errorf("--server-ca: %w", err)
	}
	return pool, nil
}

// interruptible returns a context that the first SIGINT or SIGTERM ends; the
// second one ends the program at once.
func interruptible(s *streams) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	// next waits for a signal; Ctrl-C in an editor is for the editor.
	next := func() bool {
		for {
			select {
			case sig := <-signals:
				if sig != os.Interrupt || !editing.Load() {
					return true
				}
			case <-done:
				return false
			}
		}
	}
	go func() { // until stop
		if next() {
			cancel()
		}
		if next() {
			restoreTerminal()
			soon(func() { s.say("xmpplens: stopped at once") })
			os.Exit(exitFailed)
		}
	}()
	return ctx, sync.OnceFunc(func() {
		signal.Stop(signals)
		close(done)
		cancel()
	})
}
