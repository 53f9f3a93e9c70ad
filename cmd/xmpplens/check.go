package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/xmpplens/xmpplens/decode/filter"
	"github.com/xmpplens/xmpplens/decode/track"
	"github.com/xmpplens/xmpplens/record/timeline"
)

type checkCmd struct {
	File     string `arg:"" help:"The recording." type:"path"`
	Severity string `enum:"note,warning,error" default:"warning" help:"Lowest severity that counts: ${enum}."`
	Format   string `enum:"text,json,github,sarif" default:"text" help:"How findings are printed: ${enum}."`
	Filter   string `short:"f" placeholder:"EXPR" help:"Only entries that match."`
}

func (checkCmd) Examples() string {
	return `  xmpplens check login.jsonl                          exit code 3 when something is found
  xmpplens check --severity=error --format=github login.jsonl
  xmpplens check --format=sarif login.jsonl > findings.sarif`
}

// errFound ends check and diff when there is something: exit code 3, without a
// message of its own.
var errFound = errors.New("findings")

// located is a finding with the entry that it is on.
type located struct {
	track.Finding
	N       int    `json:"n"`
	Time    string `json:"time"`
	Conn    int    `json:"conn"`
	Dir     string `json:"dir"`
	Summary string `json:"summary"`

	at time.Duration
}

// sentence is the finding for those who show one line and a place of their own.
func (f *located) sentence() string {
	return fmt.Sprintf("entry %d: %s (%s): %s", f.N, f.Text, f.Ref, f.Summary)
}

func (c *checkCmd) Run(s *streams) error {
	chosen, err := filter.Compile(c.Filter)
	if err != nil {
		return &usageError{err, hintOf(err)}
	}
	expected, err := expectations(c.File)
	if err != nil {
		return err
	}
	var found []located
	_, header, err := walk(s, c.File, func(e *timeline.Entry) {
		for _, x := range expected {
			x.see(e)
		}
		if len(e.Facts.Findings) == 0 || !e.Matches(chosen) {
			return
		}
		for _, f := range e.Facts.Findings {
			if rank[f.Severity] >= rank[c.Severity] {
				found = append(found, located{Finding: f, N: e.N, at: e.T, Conn: e.Conn, Dir: string(e.Way()), Summary: e.Stanza.Summary})
			}
		}
	})
	if err != nil {
		return err
	}
	for _, x := range expected {
		if f, ok := x.finding(); !ok {
			found = append(found, f)
		}
	}
	slices.SortStableFunc(found, func(a, b located) int { return a.N - b.N })
	for i := range found {
		found[i].Time = header.Time.Add(found[i].at).Format(time.RFC3339Nano)
	}
	out := bufio.NewWriter(s.stdout)
	switch c.Format {
	case "text":
		for _, f := range found {
			fmt.Fprintf(out, "%s: entry %d, connection %d: %s %s: %s (%s)\n    %s %s\n", filepath.Base(c.File), f.N, f.Conn, f.Severity, f.Code, f.Text, f.Ref, arrow(f.Dir), f.Summary)
		}
	case "json":
		enc := json.NewEncoder(out)
		enc.SetEscapeHTML(false)
		for _, f := range found {
			enc.Encode(f)
		}
	case "github":
		for _, f := range found {
			kind := map[string]string{track.Note: "notice", track.Warning: "warning", track.Error: "error"}[f.Severity]
			fmt.Fprintf(out, "::%s file=%s,title=%s::%s\n", kind, property(c.File), property(f.Code), message(f.sentence()))
		}
	case "sarif":
		enc := json.NewEncoder(out)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		enc.Encode(sarif(c.File, found))
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if len(found) > 0 {
		return errFound
	}
	return nil
}

func arrow(dir string) string {
	switch dir {
	case "CS":
		return "→"
	case "SC":
		return "←"
	}
	return "·"
}

// message escapes the text of a workflow command, property one of its values.
func message(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

func property(s string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(message(s))
}

// sarif is the findings as SARIF 2.1.0. An entry's number stands for its line.
func sarif(file string, found []located) any {
	type object = map[string]any
	rules, results := []object{}, []object{}
	seen := make(map[string]bool)
	for _, f := range found {
		if !seen[f.Code] {
			seen[f.Code] = true
			rules = append(rules, object{"id": f.Code, "shortDescription": object{"text": f.Code}, "help": object{"text": f.Ref}})
		}
		results = append(results, object{
			"ruleId": f.Code, "level": f.Severity,
			"message":   object{"text": f.sentence()},
			"locations": []object{{"physicalLocation": object{"artifactLocation": object{"uri": filepath.ToSlash(file)}, "region": object{"startLine": f.N}}}},
		})
	}
	return object{
		"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0",
		"runs": []object{{"tool": object{"driver": object{"name": "xmpplens", "rules": rules}}, "results": results}},
	}
}
