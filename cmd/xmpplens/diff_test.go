package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	neturl "net/url"
	"os"
	"strings"
	"testing"

	"github.com/xmpplens/xmpplens/proxy/proxytest"
	"github.com/xmpplens/xmpplens/record/diff"
)

// compareFiles runs xmpplens diff and returns its report and its text.
func compareFiles(t *testing.T, a, b string, flags ...string) (diff.Report, string) {
	t.Helper()
	args := append([]string{"diff", a, b}, flags...)
	text, err := xmpplens(t, args...).Output()
	out, err2 := xmpplens(t, append(args, "--format=json")...).Output()
	var rep diff.Report
	if err := json.Unmarshal(out, &rep); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if differs := len(rep.List) > 0; differs != (err != nil) || differs != (err2 != nil) {
		t.Errorf("%v, %v with %d differences", err, err2, len(rep.List))
	}
	return rep, string(text)
}

// recorded records what slixmpp does at a server: it logs in, asks for its roster
// and for what the server can, says something to romeo, and leaves.
func recorded(t *testing.T, ca *proxytest.CA, server, host string) string {
	t.Helper()
	p := startProxy(t, "--server-ca", ca.File, server)
	out, err := proxytest.Slixmpp(t, p.ca, p.addr, "juliet@"+host+"/balcony", "capulet", "--to=romeo@"+host, "--say=O Romeo")
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	p.stop()
	return p.file
}

// asked records the answers to what a curious client asks.
func asked(t *testing.T, ca *proxytest.CA, server, host string) string {
	t.Helper()
	p := startProxy(t, "--server-ca", ca.File, server)
	c, err := proxytest.Connect(proxytest.Way{Addr: p.addr, JID: "juliet@" + host + "/balcony", Password: "capulet", Mechanism: "PLAIN", Roots: proxytest.Pool(t, p.ca)})
	if err != nil {
		t.Fatal(err)
	}
	for i, q := range []string{
		"get' to='" + host + "'><query xmlns='jabber:iq:version'/>",
		"get' to='" + host + "'><query xmlns='http://jabber.org/protocol/disco#items'/>",
		"get' to='" + host + "'><query xmlns='http://jabber.org/protocol/disco#info'/>",
		"set'><enable xmlns='urn:xmpp:carbons:2'/>",
		"get'><vCard xmlns='vcard-temp'/>",
		"get'><blocklist xmlns='urn:xmpp:blocking'/>",
		"get'><prefs xmlns='urn:xmpp:mam:2'/>",
		"set'><pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='urn:xmpp:mood'><item id='" + host + "'/></publish></pubsub>",
		"get' to='romeo@" + host + "'><query xmlns='jabber:iq:last'/>",
	} {
		if _, err := c.IQ(fmt.Sprintf("<iq id='q%d' type='%s</iq>", i, q)); err != nil {
			t.Fatal(err)
		}
	}
	c.Close()
	p.stop()
	return p.file
}

// The same client at the same server twice is the same; at another server it
// is told what that one does otherwise, and nothing else.
func TestDiffOfServers(t *testing.T) {
	t.Parallel()
	ca, prosody := prosody(t)
	ejabberd := proxytest.StartEjabberd(t, ca, "ejabberd.test")
	ejabberd.Register(t, "juliet", "ejabberd.test", "capulet")
	ejabberd.Register(t, "romeo", "ejabberd.test", "montague")

	var files [2][2]string
	for i, s := range []struct{ addr, host string }{{prosody.Addr, host}, {ejabberd.Addr, "ejabberd.test"}} {
		recorded(t, ca, s.addr, s.host) // what a server remembers of a client is known then
		files[i] = [2]string{recorded(t, ca, s.addr, s.host), recorded(t, ca, s.addr, s.host)}
		// How long an answer takes is the machine's business here.
		rep, text := compareFiles(t, files[i][0], files[i][1], "--slower=0")
		if len(rep.List) > 0 || rep.Same < 15 || !strings.HasPrefix(text, "No difference in ") {
			t.Errorf("two runs at %s differ:\n%s", s.host, text)
		}
	}
	rep, text := compareFiles(t, files[0][0], files[1][0], "--slower=0")
	t.Log(text)
	for _, want := range []string{"juliet@localhost (account) ≙ juliet@ejabberd.test", "~ mechanism: SCRAM-SHA-1 → SCRAM-SHA-256\n", "+ mechanism SCRAM-SHA-256-PLUS,"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q", want)
		}
	}
	if rep.Counts[diff.Error]+rep.Counts[diff.Finding]+rep.Counts[diff.Missing]+rep.Counts[diff.Extra] > 0 || rep.Same < 10 {
		t.Errorf("%v", rep.Counts)
	}

	// What one of the two answers and the other refuses is named first.
	a, b := asked(t, ca, prosody.Addr, host), asked(t, ca, ejabberd.Addr, "ejabberd.test")
	rep, text = compareFiles(t, a, b, "--slower=0")
	t.Log(text)
	if file := os.Getenv("DIFF_REPORT"); file != "" {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Error(err)
		}
	}
	failing := 0
	for _, d := range rep.List {
		if d.Class == diff.Error && d.Sign == diff.OnlyB {
			failing++
		}
	}
	if failing == 0 || rep.Counts[diff.Missing]+rep.Counts[diff.Extra] > 0 {
		t.Errorf("%d fail at ejabberd only: %v", failing, rep.Counts)
	}
	if first := strings.Index(text, "fails only in B"); first < 0 || strings.Count(text[:first], "\n") > 20 {
		t.Error("the failures are not on the first screen")
	}
}

// Both ways to the viewer show both recordings.
func TestDiffInTheViewer(t *testing.T) {
	const demo, bad = "../../testdata/recordings/demo.jsonl", "../../testdata/recordings/bad.jsonl"
	for _, args := range [][]string{{"web", demo, "--diff", bad, "--web=127.0.0.1:0"}, {"diff", demo, bad, "--web=127.0.0.1:0"}} {
		p := &program{t: t, done: make(chan error, 1), cmd: xmpplens(t, args...)}
		p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.err
		if err := p.cmd.Start(); err != nil {
			t.Fatal(err)
		}
		go func() { p.done <- p.cmd.Wait() }() // ends with the process
		t.Cleanup(func() { p.cmd.Process.Kill() })
		p.says("viewer http://")
		_, url, _ := strings.Cut(p.err.String(), "viewer ")
		url, _, _ = strings.Cut(url, " ")
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		client := &http.Client{Jar: jar}
		resp, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		page, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if !strings.HasSuffix(resp.Request.URL.Path, "/diff.html") || !strings.Contains(string(page), "diff.js") {
			t.Errorf("%s: %s", resp.Request.URL, page)
		}
		for path, want := range map[string]string{"diff": `"verdict":"`, "diff/rows?from=1&count=20": `["span.sign"`, "diff/entry?at=1": `["div.change`} {
			resp, err := client.Get(resp.Request.URL.ResolveReference(&neturl.URL{Path: "/"}).String() + path)
			if err != nil {
				t.Fatal(err)
			}
			text, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if !strings.Contains(string(text), want) {
				t.Errorf("%s: %s %.300s", path, resp.Status, text)
			}
		}
		if code := p.stop(); code != 0 {
			t.Errorf("%v: exit code %d", args, code)
		}
	}
}
