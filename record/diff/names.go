package diff

import (
	"cmp"
	"hash/fnv"
	"slices"
	"strings"

	"github.com/xmpplens/xmpplens/decode/stanza"
)

// names are the addresses of a recording, and what stands for them in both.
type names struct {
	accounts []string // bare, in the order in which they appear
	servers  []string
	order    []string // other bare addresses
	role     map[string]string
	token    map[string]string // by address or domain; the same for what belongs together
	domains  []string          // with a token, long ones first
}

const (
	roleAccount = "account"
	roleServer  = "server"
	roleRoom    = "room"
	roleContact = "contact"
	roleOther   = "address" // a domain without a local part
)

// maxDomains bounds what is looked for in texts: the servers, then their other
// names, in the order in which they appear.
const maxDomains = 32

func (n *names) init() { n.role, n.token = make(map[string]string), make(map[string]string) }

func (n *names) own(bare string) {
	if n.role[bare] != roleAccount {
		n.role[bare] = roleAccount
		n.accounts = append(n.accounts, bare)
	}
}

func (n *names) serve(domain string) {
	if n.role[domain] != roleServer {
		n.role[domain] = roleServer
		n.servers = append(n.servers, domain)
	}
}

func (n *names) see(address string, room bool) {
	bare, _, _ := strings.Cut(strings.ToLower(address), "/")
	switch was := n.role[bare]; {
	case was == roleContact && room:
		n.role[bare] = roleRoom
	case was != "" || bare == "" || len(n.order) >= MaxAddresses:
	default:
		n.order = append(n.order, bare)
		switch {
		case room:
			n.role[bare] = roleRoom
		case strings.Contains(bare, "@"):
			n.role[bare] = roleContact
		default:
			n.role[bare] = roleOther
		}
	}
}

// pairAddresses finds out which address of one recording stands for which of the
// other, and gives both the same token. What is found does not depend on which of
// the two comes first.
func pairAddresses(a, b *session) []Pair {
	for _, n := range []*names{&a.names, &b.names} { // what turned out to be an account or a server later
		n.order = slices.DeleteFunc(n.order, func(s string) bool { return n.role[s] == roleAccount || n.role[s] == roleServer })
	}
	var out []Pair
	pair := func(role, x, y string) {
		if a.token[x] != "" || b.token[y] != "" {
			return
		}
		t := token(min(x, y), max(x, y))
		a.token[x], b.token[y] = t, t
		if x != y {
			out = append(out, Pair{role, x, y})
		}
	}
	match := func(xs, ys []string, role string, same func(x, y string) bool) {
		// What can be the same has the same local part or the same name.
		by := make(map[string][]string)
		for _, y := range ys {
			by[mark(y)] = append(by[mark(y)], y)
		}
		for _, x := range xs {
			for _, y := range by[mark(x)] {
				if a.token[x] == "" && b.token[y] == "" && same(x, y) {
					pair(cmp.Or(role, a.role[x]), x, y)
				}
			}
		}
	}
	inOrder := func(xs, ys []string, role string) {
		xs, ys = free(xs, a.token), free(ys, b.token)
		for i := range min(len(xs), len(ys)) {
			pair(role, xs[i], ys[i])
		}
	}
	equal := func(x, y string) bool { return x == y }
	match(a.accounts, b.accounts, roleAccount, equal)
	match(a.accounts, b.accounts, roleAccount, func(x, y string) bool { return true }) // the same local part
	inOrder(a.accounts, b.accounts, roleAccount)
	// The servers of accounts that belong together do, too.
	for _, x := range a.accounts {
		for _, y := range b.accounts {
			if a.token[x] != "" && a.token[x] == b.token[y] {
				pair(roleServer, stanza.SplitJID(x).Domain, stanza.SplitJID(y).Domain)
			}
		}
		if len(a.accounts)*len(b.accounts) > 1_000_000 {
			break // a load test: the first account has said it
		}
	}
	match(a.servers, b.servers, roleServer, equal)
	inOrder(a.servers, b.servers, roleServer)
	servers := func(n *names) (l []string) {
		for d, role := range n.role {
			if role == roleServer && n.token[d] != "" {
				l = append(l, d)
			}
		}
		slices.SortFunc(l, func(x, y string) int { return cmp.Or(len(y)-len(x), strings.Compare(x, y)) })
		return l
	}
	a.domains, b.domains = servers(&a.names), servers(&b.names)
	// Everything that is named after the server: by its name in terms of the
	// server's.
	by := make(map[string]string)
	for _, y := range b.order {
		by[b.canonical(y)] = y
	}
	for _, x := range a.order {
		if y := by[a.canonical(x)]; y != "" {
			pair(a.role[x], x, y)
		}
	}
	// Rooms by their name, wherever the service is; then its name is known.
	rooms := func(n *names) func(string) bool { return func(s string) bool { return n.role[s] != roleRoom } }
	ra, rb := slices.DeleteFunc(slices.Clone(a.order), rooms(&a.names)), slices.DeleteFunc(slices.Clone(b.order), rooms(&b.names))
	match(ra, rb, roleRoom, func(x, y string) bool { return true })
	inOrder(ra, rb, roleRoom)
	for _, x := range ra {
		for _, y := range rb {
			if a.token[x] != "" && a.token[x] == b.token[y] {
				service, other := stanza.SplitJID(x).Domain, stanza.SplitJID(y).Domain
				pair(roleOther, service, other)
				a.see(service, false)
				b.see(other, false)
			}
		}
		if len(ra)*len(rb) > 1_000_000 {
			break
		}
	}
	// The rest by order, users of the own server among themselves.
	for _, near := range []bool{true, false} {
		chosen := func(n *names) (l []string) {
			for _, s := range n.order {
				if j := stanza.SplitJID(s); n.role[s] == roleContact && (n.role[j.Domain] == roleServer) == near {
					l = append(l, s)
				}
			}
			return l
		}
		inOrder(chosen(&a.names), chosen(&b.names), roleContact)
	}
	for _, n := range []*names{&a.names, &b.names} {
		n.domains = nil
		for _, s := range slices.Concat(n.servers, n.order) {
			if n.token[s] != "" && !strings.Contains(s, "@") && len(n.domains) < maxDomains {
				n.domains = append(n.domains, s)
			}
		}
		slices.SortFunc(n.domains, func(x, y string) int { return cmp.Or(len(y)-len(x), strings.Compare(x, y)) })
	}
	if out == nil {
		out = []Pair{}
	}
	return out
}

// token is what two addresses are replaced by: nothing in it looks like an
// address, a number or a hash.
func token(x, y string) string {
	h := fnv.New64a()
	h.Write([]byte(x + " " + y))
	out := []byte("‹")
	for n, i := h.Sum64(), 0; i < 16; n, i = n>>4, i+1 {
		out = append(out, 'g'+byte(n&15))
	}
	return string(out) + "›"
}

// mark is what two addresses must have in common to be matched by name.
func mark(s string) string {
	if local, _, ok := strings.Cut(s, "@"); ok {
		return local + "@"
	}
	return s
}

func free(l []string, token map[string]string) (out []string) {
	for _, s := range l {
		if token[s] == "" {
			out = append(out, s)
		}
	}
	return out
}

// canonical says a bare address in terms of what has a token.
func (n *names) canonical(bare string) string {
	if t := n.token[bare]; t != "" {
		return t
	}
	local, domain, ok := strings.Cut(bare, "@")
	if !ok {
		local, domain = "", bare
	} else {
		local += "@"
	}
	if t := n.token[domain]; t != "" {
		return local + t
	}
	for _, d := range n.domains {
		if head, ok := strings.CutSuffix(domain, "."+d); ok {
			return local + head + "." + n.token[d]
		}
	}
	return bare
}

// address says an address in terms of both recordings, without a resource that
// the server may choose. The nickname in a room stays.
func (n *names) address(s string) string {
	bare, resource, ok := strings.Cut(s, "/")
	bare = strings.ToLower(bare)
	out := n.canonical(bare)
	switch {
	case !ok:
	case n.role[bare] == roleRoom:
		out += "/" + resource
	default:
		out += "/…"
	}
	return out
}

// within replaces the addresses and domains in a text.
func (n *names) within(s string) string {
	for _, d := range n.domains {
		from := 0
		for {
			at := indexFold(s[from:], d)
			if at < 0 {
				break
			}
			at += from
			end := at + len(d)
			if end < len(s) && (nameByte(s[end]) || s[end] == '.' && end+1 < len(s) && nameByte(s[end+1])) || at > 0 && nameByte(s[at-1]) {
				from = end
				continue
			}
			begin, with := at, n.token[d]
			if at > 0 && s[at-1] == '@' {
				for begin = at - 1; begin > 0 && !strings.ContainsRune(" \t\r\n\"'<>/:,;()&", rune(s[begin-1])); begin-- {
				}
				with = n.canonical(strings.ToLower(s[begin:end]))
				if end < len(s) && s[end] == '/' && n.role[strings.ToLower(s[begin:end])] != roleRoom {
					for end++; end < len(s) && !strings.ContainsRune(" \t\r\n\"'<>,;", rune(s[end])); end++ {
					}
					with += "/…"
				}
			} else if end < len(s) && s[end] == ':' { // a port
				if digits := end + 1; digits < len(s) && s[digits] >= '0' && s[digits] <= '9' {
					for end = digits; end < len(s) && s[end] >= '0' && s[end] <= '9'; end++ {
					}
					with += ":…"
				}
			}
			s = s[:begin] + with + s[end:]
			from = begin + len(with)
		}
	}
	return s
}

func nameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}

// indexFold is strings.Index for a lower-case domain in any case.
func indexFold(s, domain string) int {
	if len(domain) == 0 {
		return -1
	}
	for at := 0; ; {
		i := strings.IndexAny(s[at:], domain[:1]+strings.ToUpper(domain[:1]))
		if i < 0 || at+i+len(domain) > len(s) {
			return -1
		}
		if strings.EqualFold(s[at+i:at+i+len(domain)], domain) {
			return at + i
		}
		at += i + 1
	}
}
