package redact

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"strings"
)

// ip4 replaces the octets behind the beginning of a private network by others of as many digits.
func (r *redactor) ip4(v value, a netip.Addr) {
	o := a.As4()
	stays := 0
	switch {
	case o[0] == 10:
		stays = 1
	case o[0] == 192 && o[1] == 168, o[0] == 172 && o[1]&0xf0 == 16, o[0] == 169 && o[1] == 254:
		stays = 2
	}
	var out []byte
	for i, x := range o {
		if i > 0 {
			out = append(out, '.')
		}
		if i >= stays {
			x = r.octet(x, o[:i])
		}
		out = strconv.AppendUint(out, uint64(x), 10)
	}
	for i := range v.g {
		if v.g[i].n != 1 || v.g[i].form != raw || i >= len(out) {
			r.each(v, all) // written with references
			return
		}
	}
	for i := range v.g {
		v.b[v.g[i].at] = out[i]
	}
}

// isIP reports whether s is an IP address, perhaps with a port.
func isIP(s string) bool {
	if s == "" || s[0] != ':' && s[0] != '[' && !isHex(s[0]) {
		return false
	}
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	_, err := netip.ParseAddrPort(s)
	return err == nil
}

// octet is another one with as many digits. It depends on those before it: a cyclic permutation, which leaves none.
func (r *redactor) octet(x byte, before []byte) byte {
	low, high := 0, 9
	switch {
	case x >= 100:
		low, high = 100, 255
	case x >= 10:
		low, high = 10, 99
	}
	rnd := r.cipher.keys("ip4 "+string(before)+" "+strconv.Itoa(low), 0, nil, -1)
	p := make([]byte, high-low+1)
	for i := range p {
		p[i] = byte(low + i)
	}
	for i := len(p) - 1; i > 0; i-- { // Sattolo
		j := rnd.IntN(i)
		p[i], p[j] = p[j], p[i]
	}
	return p[int(x)-low]
}

// ip6 replaces the digits of each group. A group depends on the 16 bits groups before it, so that networks stay apart.
func (r *redactor) ip6(v value, a netip.Addr, s string) {
	if zone := strings.IndexByte(s, '%'); zone >= 0 {
		v = v.sub(0, v.index('%'))
	}
	full := a.As16()
	group := 0
	for i := 0; i < len(v.g); {
		if v.g[i].r == ':' {
			if i > 0 && v.g[i-1].r == ':' { // what is left out
				left := 0
				for j := i + 1; j < len(v.g); j++ {
					if v.g[j].r == ':' {
						left++
					}
					if v.g[j].r == '.' {
						left++
						break
					}
				}
				if i+1 < len(v.g) {
					left++
				}
				group = max(group, 8-left)
			}
			i++
			continue
		}
		j := i
		for j < len(v.g) && v.g[j].r != ':' {
			j++
		}
		w := v.sub(i, j)
		switch {
		case w.index('.') >= 0: // the form ::ffff:192.0.2.1
			if tail, err := netip.ParseAddr(w.text()); err == nil {
				r.ip4(w, tail)
			}
		case group == 0 && (full[0] == 0xfe && full[1] == 0x80):
		case group > 7:
		default:
			b := binary.BigEndian.AppendUint16(nil, uint16(group))
			r.hexUnits(w, "ip6 "+string(append(b, full[:2*group]...)))
		}
		group++
		i = j
	}
}

// hexUnits replaces hexadecimal digits by others.
func (r *redactor) hexUnits(v value, purpose string) {
	u := r.u[:0]
	for i := range v.g {
		if g := v.g[i]; g.form == raw && isHex(byte(g.r)) {
			g.form = percent
			x, _ := r.cipher.unitOf(&g, i)
			u = append(u, x)
		}
	}
	r.cipher.replace(purpose, u)
	for i := range u {
		u[i].put(v.b, &v.g[u[i].glyph])
	}
	r.u = u
}
