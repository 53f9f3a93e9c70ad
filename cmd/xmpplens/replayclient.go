package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/xmpplens/xmpplens/decode/stanza"
	"github.com/xmpplens/xmpplens/proxy"
	"github.com/xmpplens/xmpplens/proxy/replay"
	"github.com/xmpplens/xmpplens/record"
)

type replayClientCmd struct {
	played       `embed:""`
	Upstream     string `arg:"" help:"Where the server is: DOMAIN (SRV look-up), HOST:PORT or tls://HOST:PORT."`
	Account      string `required:"" placeholder:"JID" help:"Who logs in. With --count, %d in the user's name is the number of the session, from 1; a domain alone logs in as nobody (ANONYMOUS)."`
	PasswordFile string `placeholder:"FILE" type:"path" help:"The password; or lines of address and password, where there are several accounts."`
	ServerCA     string `name:"server-ca" placeholder:"FILE" type:"path" help:"Authorities for the server's certificate (PEM), instead of the system's."`
	Insecure     bool   `help:"Accept any certificate of the server."`
	NoTLS        bool   `name:"no-tls" help:"Speak clear text."`
	Resolver     string `placeholder:"ADDR" help:"DNS server for the upstream, instead of the system's."`
	Count        int    `default:"1" placeholder:"N" help:"Play N sessions at once (${default})."`
}

func (replayClientCmd) Examples() string {
	return `  xmpplens replay client s.jsonl localhost:5222 --account=me@localhost --password-file=pw --server-ca=ca.pem
                                                           the same questions to another server: exit code 3 when it differs
  xmpplens replay client --speed=0 --map=romeo@old.example=bob@new.example s.jsonl new.example --account=me@new.example --password-file=pw
  xmpplens replay client --count=50 --account=user%d@localhost --password-file=pw s.jsonl localhost:5222
                                                           load: rates and latencies at the end`
}

func (c *replayClientCmd) Run(s *streams) error {
	client, err := c.configure()
	if err != nil {
		return err
	}
	ctx, stop := interruptible(s)
	defer stop()
	ctx, cancel := c.limited(ctx)
	defer cancel()
	if client.Script, client.Others, err = c.load(ctx, s, record.CS); err != nil {
		return err
	}
	defer client.Script.Close()
	for _, n := range client.Script.Notes {
		s.say("xmpplens: %s", n)
	}
	if c.Count == 1 {
		client.Log = func(format string, args ...any) { s.say("xmpplens: "+format, args...) }
	}
	report, err := client.Run(ctx)
	if report != nil {
		if told := c.tell(s, report); err == nil {
			err = told
		}
	}
	return err
}

// configure checks the flags, all at once.
func (c *replayClientCmd) configure() (*replay.Client, error) {
	var errs []error
	up, err := proxy.ParseUpstream(c.Upstream)
	switch {
	case err != nil:
		errs = append(errs, err)
	case up.Web != "":
		errs = append(errs, fmt.Errorf("a recording is played over TCP, whatever it was recorded over: %s is an endpoint of HTTP", c.Upstream))
	}
	p := &proxy.Proxy{Upstream: up}
	if c.Resolver != "" {
		p.Resolver = proxy.ResolverAt(c.Resolver)
	}
	roots, err := authorities(c.ServerCA)
	if err != nil {
		errs = append(errs, err)
	}
	// Numbers are digits: what holds for one of them holds for all.
	account, err := stanza.ParseJID(strings.ReplaceAll(c.Account, "%d", "1"))
	if err != nil {
		errs = append(errs, fmt.Errorf("--account: %w", err))
	}
	raw := stanza.SplitJID(c.Account)
	account.Local = strings.ToLower(raw.Local)
	numbered := strings.Contains(account.Local, "%d")
	switch {
	case c.Count < 1 || c.Count > replay.MaxCount:
		errs = append(errs, fmt.Errorf("--count=%d is not between 1 and %d", c.Count, replay.MaxCount))
	case c.Count > 1 && !numbered && account.Local != "":
		errs = append(errs, errors.New("--count needs numbered accounts: --account=user%d@DOMAIN"))
	}
	password, err := c.password(account.Local != "")
	if err != nil {
		errs = append(errs, err)
	}
	if len(errs) > 0 {
		return nil, &usageError{errors.Join(errs...), "see xmpplens replay client --help"}
	}
	return &replay.Client{
		Account: account, Password: password, NoTLS: c.NoTLS, Count: c.Count, Loop: c.Loop, Pace: replay.Pace{Speed: c.Speed, Patience: c.Patience},
		Dial: func(ctx context.Context, domain string) (net.Conn, bool, error) { return p.Dial(ctx, domain, false) },
		TLS: func(domain string) *tls.Config {
			name := proxy.ServerName(domain)
			return &tls.Config{ServerName: name, InsecureSkipVerify: true, VerifyConnection: func(cs tls.ConnectionState) error {
				if c.Insecure {
					return nil
				}
				return proxy.Verify(cs, name, roots)
			}}
		},
	}, nil
}

// password reads the file and returns what finds the password of an account.
func (c *replayClientCmd) password(needed bool) (func(bare string) (string, error), error) {
	p, err := readPasswords(c.PasswordFile)
	switch {
	case err != nil:
		return nil, err
	case c.PasswordFile == "" && needed:
		return nil, errors.New("--account needs --password-file: a password has no place on the command line")
	}
	return func(bare string) (string, error) {
		if w, ok := p.Of(bare); ok {
			return w, nil
		}
		return "", &usageError{fmt.Errorf("--password-file: there is no password for %s in %s", bare, c.PasswordFile), "add a line with the address, a blank and the password"}
	}, nil
}
