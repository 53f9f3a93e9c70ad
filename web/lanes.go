package web

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/xmpplens/xmpplens/record/timeline"
)

// The lanes of the ladder: who talks, and in which order they stand. Ends of
// connections that are the same address or the same domain share a lane.

// A Linker tells who is at the ends of connections; *timeline.Index is one.
type Linker interface {
	Conns(ids []int) []timeline.Conn
}

const (
	maxLetters = 200 // letters of a name that are shown
	maxNums    = 20  // connections that a lane names
)

// A lane is a connection, with the names of its ends.
type lane struct {
	Conn   int    `json:"conn"`
	Kind   string `json:"kind"`
	Client string `json:"client"`
	Server string `json:"server"`
}

// lanes names the ends of connections: a client by its address, or where it comes
// from, servers by their domains.
func (p *page) lanes(ids []int) []lane {
	out := []lane{}
	for _, c := range p.source.Conns(ids) {
		l := lane{c.ID, c.Kind, c.Client, c.Server}
		switch {
		case c.Kind == "s2s":
			l.Client, l.Server = cmp.Or(c.From, c.Client), cmp.Or(c.To, c.Server)
		case c.Kind == "component":
			l.Client = cmp.Or(c.To, c.Client)
		default:
			if c.State.Bound.Domain != "" {
				l.Client = c.State.Bound.String()
			}
			l.Server = cmp.Or(c.State.Bound.Domain, c.To, c.Server)
		}
		if host, port, err := net.SplitHostPort(l.Client); err == nil && l.Client == c.Client {
			l.Client = "client " + host + ":" + port
		}
		out = append(out, l)
	}
	return out
}

// A standing is one lane with all that it is of.
type standing struct {
	key   string // to hide it: short, whatever the name is
	name  string
	side  string // client, peer, server, proxy
	conns []int
}

// An order is how lanes stand, from left to right.
type order struct {
	all   []*standing
	proxy int            // where it stands
	ends  map[int][2]int // of each connection: where its client and its server stand
}

// sides says on which side of the proxy each domain stands, so that what goes
// through the proxy crosses it: a domain that clients talk with on the right, those
// that it talks with on the left, as far as that goes.
func sides(conns []lane) map[string]string {
	of := make(map[string]string)
	for _, c := range conns {
		if c.Kind != "s2s" {
			of[c.Server] = "server"
		}
	}
	for _, c := range conns {
		switch a, b := of[c.Client], of[c.Server]; {
		case c.Kind == "component" && a == "":
			of[c.Client] = "peer"
		case c.Kind != "s2s":
		case a == "" && b != "peer":
			of[c.Client], of[c.Server] = "peer", "server"
		case a == "":
			of[c.Client] = "server"
		case b == "" && a == "peer":
			of[c.Server] = "server"
		case b == "":
			of[c.Server] = "peer"
		}
	}
	return of
}

// arrange puts clients and their like on one side of the proxy, and servers on the
// other. Hidden lanes stand where the proxy does.
func arrange(conns []lane, hidden []string) order {
	slices.SortFunc(conns, func(a, b lane) int { return a.Conn - b.Conn })
	of := sides(conns)
	proxy := &standing{name: "proxy", side: "proxy"}
	found := make(map[string]*standing)
	var all []*standing
	stands := func(name, side string, conn int) *standing {
		sum := fnv.New64a()
		fmt.Fprint(sum, side == "client", name)
		key := strconv.FormatUint(sum.Sum64(), 36)
		s := found[key]
		if s == nil {
			s = &standing{key: key, name: name, side: side}
			found[key] = s
			all = append(all, s)
		}
		s.conns = append(s.conns, conn)
		if slices.Contains(hidden, key) {
			return proxy
		}
		return s
	}
	ends := make(map[int][2]*standing)
	for _, c := range conns {
		server, side := stands(c.Server, of[c.Server], c.Conn), "client"
		if c.Kind == "s2s" || c.Kind == "component" {
			side = of[c.Client]
		}
		ends[c.Conn] = [2]*standing{stands(c.Client, side, c.Conn), server}
	}
	o := order{ends: make(map[int][2]int)}
	var right []*standing
	for _, s := range all {
		if slices.Contains(hidden, s.key) {
			continue
		}
		if s.side == "server" {
			right = append(right, s)
		} else {
			o.all = append(o.all, s)
		}
	}
	o.proxy = len(o.all)
	o.all = slices.Concat(o.all, []*standing{proxy}, right)
	for conn, e := range ends {
		o.ends[conn] = [2]int{slices.Index(o.all, e[0]), slices.Index(o.all, e[1])}
	}
	return o
}

// heads are what stands above the lanes. A lane is kept or hidden by its buttons.
func (o order) heads(keep, hidden []string) group {
	corner := el("span.corner")
	if len(hidden) > 0 {
		corner = el("span.corner", el("button", attrs{"data-all": "", "title": "Show all lanes"}, fmt.Sprintf("%d hidden", len(hidden))))
	}
	out := group{corner}
	for _, s := range o.all {
		name := cmp.Or(clip(shortName(s.name), maxLetters), "?")
		if s.side == "proxy" {
			out = append(out, el("span.lanename.proxy", el("span", name)))
			continue
		}
		some := s.conns[:min(len(s.conns), maxNums)]
		nums, kept := make([]string, len(some)), false
		for i, n := range some {
			nums[i] = strconv.Itoa(n)
			kept = kept || slices.Contains(keep, nums[i])
		}
		few := "#" + strings.Join(nums[:min(len(nums), 3)], " #")
		if len(nums) > 3 {
			few += " …"
		}
		out = append(out, el("span.lanename",
			el("button", attrs{"data-key": "keep " + s.key, "data-keep": strings.Join(nums, " "), "aria-pressed": strconv.FormatBool(kept), "aria-label": "Keep the lane of " + name,
				"title": clip(s.name, maxLetters) + ", connection #" + strings.Join(nums, " #")}, name),
			el("small", few+" "),
			el("button.hide", attrs{"data-hide": s.key, "aria-label": "Hide the lane of " + clip(s.name, maxLetters)}, "✕")))
	}
	return out
}

// shortName leaves the domain of a full address out: romeo/orchard.
func shortName(name string) string {
	bare, resource, full := strings.Cut(name, "/")
	local, _, account := strings.Cut(bare, "@")
	if !full || !account || local == "" || resource == "" {
		return name
	}
	return local + "/" + resource
}

// clip keeps the first letters of a text.
func clip(text string, letters int) string {
	for i := range text {
		if letters--; letters < 0 {
			return text[:i] + "…"
		}
	}
	return text
}
