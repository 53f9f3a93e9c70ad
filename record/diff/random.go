package diff

import (
	"regexp"
	"strings"
)

// moment is a date with a time (XEP-0082) and its older form (XEP-0091), id a
// UUID, figures a hash or the like.
var (
	moment  = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?|\d{8}T\d\d:\d\d:\d\d`)
	id      = regexp.MustCompile(`[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}`)
	figures = regexp.MustCompile(`\b[0-9a-fA-F]{16,}\b`)
)

const shortest = 16 // characters of what is looked at

// random replaces time stamps, UUIDs and long hexadecimal numbers in a text.
// Regular expressions are slow: they see nothing but runs that are long enough
// and have a digit.
func random(s string) string {
	var out strings.Builder
	done := 0
	for at := 0; at < len(s); {
		begin, digit := at, false
		for at < len(s) && (nameByte(s[at]) || s[at] == ':' || s[at] == '.' || s[at] == '+') {
			digit = digit || s[at] >= '0' && s[at] <= '9'
			at++
		}
		if digit && at-begin >= shortest {
			run := s[begin:at]
			if with := figures.ReplaceAllString(id.ReplaceAllString(moment.ReplaceAllString(run, "{time}"), "{id}"), "{hex}"); with != run {
				out.WriteString(s[done:begin])
				out.WriteString(with)
				done = at
			}
		}
		if at == begin {
			at++
		}
	}
	if done == 0 {
		return s
	}
	out.WriteString(s[done:])
	return out.String()
}

// url replaces the port of a URL, and what in its path is a random name.
func url(s string) string {
	scheme, rest, _ := strings.Cut(s, "://")
	host, path, slash := strings.Cut(rest, "/")
	if at := strings.LastIndexByte(host, ':'); at >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:at]
	}
	out := scheme + "://" + host
	if !slash {
		return out
	}
	var b strings.Builder
	b.WriteString(out + "/")
	for len(path) > 0 {
		at := strings.IndexAny(path, "/?=&#.")
		if at < 0 {
			at = len(path)
		}
		if part := path[:at]; len(part) >= 12 && mixed(part) {
			b.WriteString(anything)
		} else {
			b.WriteString(part)
		}
		if at < len(path) {
			b.WriteByte(path[at])
			at++
		}
		path = path[at:]
	}
	return b.String()
}

// mixed reports whether a word has digits and letters, as random names have.
func mixed(s string) bool {
	digit, letter := false, false
	for i := range len(s) {
		digit = digit || s[i] >= '0' && s[i] <= '9'
		letter = letter || s[i]|0x20 >= 'a' && s[i]|0x20 <= 'z'
	}
	return digit && letter
}
