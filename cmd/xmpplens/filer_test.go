package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xmpplens/xmpplens/decode/filter"
	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/timeline"
	"github.com/xmpplens/xmpplens/web"
)

const filerStream = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0' from='tybalt@capulet.lit' to='capulet.lit'>"

func filerLog(t *testing.T, o record.Options) *record.Log {
	t.Helper()
	log, err := record.Create(filepath.Join(t.TempDir(), "s.jsonl"), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	for _, ev := range []record.Event{
		{C: 1, E: record.EventOpen, Kind: "c2s", Client: "127.0.0.1:1", Server: "127.0.0.1:2"},
		{C: 1, E: record.EventData, D: record.CS, Data: []byte(filerStream + "<message to='mercutio@montague.lit'><body>Have at thee, coward</body></message>"), HasData: true},
	} {
		if err := log.Append(ev); err != nil {
			t.Fatal(err)
		}
	}
	return log
}

// What is saved of a recording that grows is what was there, and to share it is
// without names, texts and secrets.
func TestFilerSaves(t *testing.T) {
	log := filerLog(t, record.Options{})
	for _, f := range []struct {
		name string
		*filer
	}{{"live", &filer{log: log}}, {"file", &filer{path: log.Name()}}, {"growing file", &filer{path: log.Name(), grows: true}}} {
		for _, exact := range []bool{true, false} {
			to := filepath.Join(t.TempDir(), "out.jsonl")
			steps := 0
			if err := f.Save(t.Context(), "", to, web.Form{Exact: exact}, func(int, int64) { steps++ }); err != nil {
				t.Errorf("%s: %v", f.name, err)
				continue
			}
			b, err := os.ReadFile(to)
			info, serr := os.Stat(to)
			if err != nil || serr != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%v %v %v", err, serr, info)
			}
			for _, word := range []string{"tybalt", "mercutio", "coward"} {
				if bytes.Contains(b, []byte(word)) != exact {
					t.Errorf("%s, exact %v: %q: %s", f.name, exact, word, b)
				}
			}
			if bytes.Count(b, []byte("\n")) != 3 {
				t.Errorf("%s: %s", f.name, b)
			}
			if left, _ := filepath.Glob(filepath.Join(filepath.Dir(to), ".*")); len(left) > 0 {
				t.Errorf("%s: left %v", f.name, left)
			}
		}
	}
	chosen, err := filter.Compile("message")
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "x.html")
	if err := (&filer{log: log}).Save(t.Context(), "", to, web.Form{Page: true, Filter: chosen, Title: "a <b>"}, nil); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(to); !bytes.Contains(b, []byte("coward")) || !bytes.Contains(b, []byte("<title>a &lt;b&gt;")) {
		t.Errorf("%.300s", b)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := (&filer{log: log}).Save(ctx, "", filepath.Join(t.TempDir(), "x.jsonl"), web.Form{}, nil); err == nil {
		t.Error("a save that was given up is done")
	}
}

func TestFilerOpens(t *testing.T) {
	dir := t.TempDir()
	put := func(name, content string) string {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	demo, err := os.ReadFile("../../testdata/recordings/demo.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	// A set of files, dropped together.
	parts := t.TempDir()
	log, err := record.Create(filepath.Join(parts, "s.jsonl.zst"), record.Options{RotateSize: 2000, Carry: timeline.NewCarrier})
	if err != nil {
		t.Fatal(err)
	}
	const messages = 60
	log.Append(record.Event{C: 1, E: record.EventData, D: record.CS, Data: []byte(filerStream), HasData: true})
	for range messages {
		log.Append(record.Event{C: 1, E: record.EventData, D: record.CS, Data: []byte("<message><body>" + strings.Repeat("x", 100) + "</body></message>"), HasData: true})
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	var set []string
	files, _ := os.ReadDir(parts)
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(parts, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		set = append(set, put(f.Name(), string(b)))
	}
	if len(set) < 3 {
		t.Fatalf("only %v", set)
	}
	prosody := "Nov 25 10:00:00 c2s55d0\tdebug\tReceived[c2s]: <message to='a@b' xmlns='jabber:client'><body>x</body></message>\n"
	for _, c := range []struct {
		names []string
		len   int
		bad   string
	}{
		{[]string{put("demo.jsonl", string(demo))}, 288, ""},
		{set, messages + 1, ""},
		{[]string{put("prosody.log", prosody)}, 0, "prosody.log"},
		{[]string{put("empty.jsonl", "")}, 0, "empty.jsonl is empty"},
		{[]string{put("header.jsonl", `{"xmpplens":1,"time":"2026-11-23T09:14:23Z"}`+"\n")}, 0, "header.jsonl has no entries"},
		{[]string{put("future.jsonl", `{"xmpplens":99,"time":"2026-11-23T09:14:23Z"}`+"\n")}, 0, "future.jsonl"},
		{[]string{put("picture.png", "\x89PNG\r\n\x1a\n")}, 0, "picture.png is neither"},
		{[]string{put("keys.log", "CLIENT_RANDOM "+strings.Repeat("00", 32)+" "+strings.Repeat("11", 48)+"\n")}, 0, "a key log alone"},
		{[]string{"demo.jsonl", "picture.png"}, 0, "demo.jsonl is a recording, and picture.png is none"},
	} {
		o, err := new(filer).Open(t.Context(), dir, c.names)
		if err != nil {
			if c.bad == "" || !strings.Contains(err.Error(), c.bad) || strings.Contains(err.Error()+hintOf(err), dir) || hintOf(err) == "" {
				t.Errorf("%v: %v (%s)", c.names, err, hintOf(err))
			}
			continue
		}
		st := o.Source.Wait(t.Context(), func(st timeline.Status) bool { return st.Done })
		if c.bad != "" && c.names[0] != "prosody.log" || c.len != 0 && st.Len != c.len {
			t.Errorf("%v: %d entries", c.names, st.Len)
		}
		o.Close()
	}
}

func TestFilerCompares(t *testing.T) {
	log := filerLog(t, record.Options{})
	f := &filer{log: log}
	d, end, err := f.Compare(t.Context(), t.TempDir(), web.Named{Name: "live"}, web.Named{Path: "../../testdata/recordings/demo.jsonl", Name: "demo.jsonl"})
	if err != nil {
		t.Fatal(err)
	}
	defer end()
	if d.Report.A.Name != "live" || d.Report.B.Name != "demo.jsonl" || d.Report.Empty() || len(d.Report.Rows) == 0 {
		t.Errorf("%+v", d.Report)
	}
	if _, err := d.B.Entries(132, 1); err != nil {
		t.Error(err)
	}
	if _, _, err := f.Compare(t.Context(), t.TempDir(), web.Named{Name: "live"}, web.Named{Path: "nothing.jsonl", Name: "nothing"}); err == nil {
		t.Error("nothing was compared")
	}
}
