// Command xmpplens is a debugging proxy and stream inspector for XMPP.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/alecthomas/kong"
)

// Exit codes, a contract of the command line.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
	exitFound  = 3 // check and diff found something
)

type commandLine struct {
	Proxy    proxyCmd         `cmd:"" help:"Stand between clients and a server, show and record what they say."`
	Show     showCmd          `cmd:"" help:"Print a recording."`
	Web      webCmd           `cmd:"" help:"Open the viewer on a recording."`
	Export   exportCmd        `cmd:"" help:"Write a recording for other programs: a page, stream files, JSON Lines, text, Wireshark."`
	Import   importCmd        `cmd:"" help:"Make a recording of a capture, of stream files, of a debug log; or a readable one of a tap whose TLS keys came later."`
	Demo     demoCmd          `cmd:"" help:"Play a recorded conversation through the real proxy; needs no server."`
	Send     sendCmd          `cmd:"" help:"Put a stanza into a session of a proxy that runs."`
	Redact   redactCmd        `cmd:"" help:"Make a recording that can be shared: names, texts and secrets replaced."`
	Check    checkCmd         `cmd:"" help:"Print what is wrong in a recording, for CI."`
	Note     noteCmd          `cmd:"" help:"Say something about an entry of a recording; check can hold it to that."`
	Diff     diffCmd          `cmd:"" help:"Compare two recordings by meaning: what differs between two servers, or two runs."`
	Stats    statsCmd         `cmd:"" help:"Counts, rates and latencies of a recording."`
	Replay   replayCmd        `cmd:"" help:"Play one side of a recording to a live client or server."`
	XEP      xepCmd           `cmd:"" name:"xep" help:"Which XEP or RFC a namespace belongs to, and the other way round."`
	Scenario scenarioCmd      `cmd:"" help:"What --scenario of proxy can play: list it, or print the rules of one."`
	Doctor   doctorCmd        `cmd:"" help:"Look at a domain, and tell which way of looking works; or at a client, and tell what to set in it."`
	CA       caCmd            `cmd:"" name:"ca" help:"The certificate authority and how to trust it."`
	Version  kong.VersionFlag `short:"V" help:"Print the version."`
}

const examples = `Examples:
  xmpplens demo                                         see it work, without a server
  xmpplens proxy example.org                            a domain, found by its SRV records
  xmpplens proxy -w login.jsonl --server-ca ca.pem localhost:5222
                                                        a server of your own, kept in a recording
  xmpplens proxy --client-tls=off --server-tls=starttls localhost:5222
                                                        a client without TLS looks at a server with it
  xmpplens show login.jsonl                             print a recording
  xmpplens show --format=json login.jsonl | jq .summary`

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// exit is how kong's own --help and --version leave run.
type exit int

func run(args []string, stdout, stderr io.Writer) (code int) {
	defer func() {
		if v := recover(); v != nil {
			e, ok := v.(exit)
			if !ok {
				panic(v)
			}
			code = int(e)
		}
	}()
	var cli commandLine
	parser, err := kong.New(&cli,
		kong.Name("xmpplens"),
		kong.Description("See what XMPP clients and servers say to each other.\n\n"+examples),
		kong.Vars{"version": version()},
		kong.Writers(stdout, stderr),
		kong.Exit(func(n int) { panic(exit(n)) }),
		kong.Help(examplesFirst),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true, WrapUpperBound: 100}),
	)
	if err != nil {
		return complain(stderr, err)
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	ctx, err := parser.Parse(args)
	if err != nil {
		var hint string
		if parse := (*kong.ParseError)(nil); errors.As(err, &parse) && parse.Context != nil && parse.Context.Selected() != nil {
			hint = "see xmpplens " + parse.Context.Selected().Name + " --help"
		} else {
			hint = "see xmpplens --help"
		}
		complain(stderr, &usageError{err, hint})
		return exitUsage
	}
	if err := ctx.Run(&streams{stdout, stderr}); errors.Is(err, errFound) {
		return exitFound
	} else if err != nil {
		return complain(stderr, err)
	}
	return exitDone
}

// streams are where a command writes: data to stdout, talk to stderr.
type streams struct{ stdout, stderr io.Writer }

// say prints a line of talk.
func (s *streams) say(format string, args ...any) { fmt.Fprintf(s.stderr, format+"\n", args...) }

// examplesFirst prints what most people look for at the top.
func examplesFirst(options kong.HelpOptions, ctx *kong.Context) error {
	if n := ctx.Selected(); n != nil {
		if h, ok := n.Target.Addr().Interface().(interface{ Examples() string }); ok {
			fmt.Fprintf(ctx.Stdout, "Examples:\n%s\n\n", strings.TrimRight(h.Examples(), "\n"))
		}
	}
	return kong.DefaultHelpPrinter(options, ctx)
}

// usageError is a mistake on the command line.
type usageError struct {
	error
	hint string
}

func (e *usageError) Hint() string  { return e.hint }
func (e *usageError) Unwrap() error { return e.error }

func usagef(hint, format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...), hint}
}

// complain prints an error with its remedy and returns the exit code.
func complain(w io.Writer, err error) int {
	fmt.Fprintf(w, "xmpplens: %v\n", err)
	if hint := hintOf(err); hint != "" {
		fmt.Fprintf(w, "hint: %s\n", hint)
	}
	if usage := (*usageError)(nil); errors.As(err, &usage) {
		return exitUsage
	}
	return exitFailed
}

// hintOf is the remedy that an error knows, "" when it knows none.
func hintOf(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

// version is what the build knows of itself.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	if v == "" {
		v = "(devel)"
	}
	var revision, dirty string
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			revision = s.Value[:min(12, len(s.Value))]
		case "vcs.modified":
			if s.Value == "true" {
				dirty = " with changes"
			}
		}
	}
	if revision != "" {
		revision = " " + revision + dirty
	}
	return "xmpplens " + v + revision + " " + info.GoVersion
}
