package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/xmpplens/xmpplens/record"
	"github.com/xmpplens/xmpplens/record/timeline"
)

// storage is how a recording is kept.
type storage struct {
	Write       string        `short:"w" placeholder:"FILE" type:"path" help:"Keep the recording; compressed when the name ends in .zst."`
	Force       bool          `help:"Overwrite the files of --write; never those of a recording in progress."`
	RotateSize  byteSize      `placeholder:"SIZE" help:"Begin the next file at this size (200MB, 64MiB): s.0001.jsonl, s.0002.jsonl, …"`
	RotateEvery time.Duration `placeholder:"DURATION" help:"Begin the next file after this time (30m, 24h)."`
	Keep        int           `placeholder:"N" help:"Keep the last N closed files of a rotation."`
	Ring        byteSize      `placeholder:"SIZE" help:"Hold only the last SIZE bytes; SIGUSR1, the key k, the viewer or --ring-on keeps them in a file named after --write."`
	RingOn      string        `enum:"note,warning,error," default:"" placeholder:"note|warning|error" help:"Keep the ring when there is a finding of this severity, or worse."`
}

// minRotate is the smallest file of a rotation, in bytes.
const minRotate = 1000

// check reports all mistakes at once.
func (s *storage) check() error {
	var wrong []string
	var hint string
	add := func(text, remedy string) {
		wrong = append(wrong, text)
		if hint == "" {
			hint = remedy
		}
	}
	if (s.RotateSize > 0 || s.RotateEvery > 0) && s.Write == "" {
		add("--rotate-size and --rotate-every need --write", "name the recording with -w FILE")
	}
	if s.RotateSize > 0 && s.RotateSize < minRotate {
		add(fmt.Sprintf("--rotate-size=%d is too small", s.RotateSize), "give a file 1kB at least; 200MB is a good size")
	}
	if s.Keep > 0 && s.RotateSize == 0 && s.RotateEvery == 0 {
		add("--keep needs --rotate-size or --rotate-every", "say when the next file begins, as in --rotate-size=200MB --keep=10")
	}
	if s.Ring > 0 && (s.RotateSize > 0 || s.RotateEvery > 0) {
		add("--ring does not go with --rotate-size and --rotate-every", "use --keep with a rotation, or --ring alone")
	}
	if s.Ring > 0 && s.Ring < record.MinRing {
		add(fmt.Sprintf("--ring=%d is too small", s.Ring), "give a ring 1MiB at least")
	}
	if s.RingOn != "" && s.Ring == 0 {
		add("--ring-on needs --ring", "say how much is held, as in --ring=200MB")
	}
	if s.RotateEvery < 0 || s.Keep < 0 {
		add("--rotate-every and --keep are not negative", "leave them out to keep everything in one file")
	}
	if wrong == nil {
		return nil
	}
	return usagef(hint, "%s", strings.Join(wrong, "; "))
}

// open begins the recording.
func (s *storage) open(warn func(error)) (*record.Log, error) {
	o := record.Options{
		Force: s.Force, Tool: version(), RotateSize: int64(s.RotateSize), RotateEvery: s.RotateEvery, Keep: s.Keep, Ring: int64(s.Ring),
		Carry: timeline.NewCarrier, Warn: warn,
	}
	if s.Write == "" {
		return record.CreateTemp(o)
	}
	return record.Create(s.Write, o)
}

// keptName is a free name for what a ring holds: s-20261125-185413.jsonl.
func (s *storage) keptName(at time.Time) string {
	path := s.Write
	if path == "" {
		path = "xmpplens.jsonl"
	}
	plain, zst := strings.CutSuffix(path, ".zst")
	ext := filepath.Ext(plain)
	stem := strings.TrimSuffix(plain, ext) + "-" + at.Format("20060102-150405")
	for n := 1; ; n++ {
		name := stem + ext
		if n > 1 {
			name = fmt.Sprintf("%s-%d%s", stem, n, ext)
		}
		if zst {
			name += ".zst"
		}
		if _, err := os.Lstat(name); err != nil || n == 1000 {
			return name
		}
	}
}

// byteSize is a number of bytes: 4096, 200MB, 64MiB, 1.5GB.
type byteSize int64

var sizeUnits = []struct {
	name string
	n    float64
}{
	{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30}, {"tib", 1 << 40},
	{"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9}, {"tb", 1e12},
	{"k", 1e3}, {"m", 1e6}, {"g", 1e9}, {"t", 1e12}, {"b", 1},
}

// UnmarshalText implements encoding.TextUnmarshaler for kong.
func (b *byteSize) UnmarshalText(text []byte) error {
	s := strings.ToLower(strings.TrimSpace(string(text)))
	factor := 1.0
	for _, u := range sizeUnits {
		if number, ok := strings.CutSuffix(s, u.name); ok {
			s, factor = strings.TrimSpace(number), u.n
			break
		}
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || !(n*factor >= 1 && n*factor < math.MaxInt64) || strings.ContainsAny(s, "xpein_") {
		return fmt.Errorf("%q is no size: write bytes, or a number with a unit, as 200MB, 64MiB or 1.5GB", text)
	}
	*b = byteSize(n * factor)
	return nil
}
