package stanza

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"image/jpeg"
	"strings"
	"unicode/utf8"
)

// glimpse is how much of binary data is shown, in bytes.
const glimpse = 64

// LooksLike says what data is, by its first bytes, and shows what can be shown
// of it: text as text, the rest as a glimpse of its bytes. It looks, and decodes
// no picture.
func LooksLike(b []byte) (what, inside string) {
	size := func(w, h int) string { return fmt.Sprintf(", %d × %d pixels", w, h) }
	switch {
	case bytes.HasPrefix(b, []byte("\x89PNG\r\n\x1a\n")):
		what = "PNG image"
		if len(b) >= 24 && string(b[12:16]) == "IHDR" {
			what += size(int(binary.BigEndian.Uint32(b[16:])), int(binary.BigEndian.Uint32(b[20:])))
		}
	case bytes.HasPrefix(b, []byte("\xff\xd8\xff")):
		what = "JPEG image"
		if c, err := jpeg.DecodeConfig(bytes.NewReader(b)); err == nil {
			what += size(c.Width, c.Height)
		}
	case bytes.HasPrefix(b, []byte("GIF87a")), bytes.HasPrefix(b, []byte("GIF89a")):
		what = "GIF image"
		if len(b) >= 10 {
			what += size(int(binary.LittleEndian.Uint16(b[6:])), int(binary.LittleEndian.Uint16(b[8:])))
		}
	case bytes.HasPrefix(b, []byte("RIFF")) && len(b) >= 30 && string(b[8:12]) == "WEBP":
		what = "WebP image"
		if string(b[12:16]) == "VP8X" {
			what += size(1+int(b[24])+int(b[25])<<8+int(b[26])<<16, 1+int(b[27])+int(b[28])<<8+int(b[29])<<16)
		}
	case bytes.HasPrefix(b, []byte("\x1f\x8b")):
		what = "gzip"
	case bytes.HasPrefix(b, []byte("PK\x03\x04")):
		what = "ZIP archive"
	case bytes.HasPrefix(b, []byte("%PDF-")):
		what = "PDF"
	case bytes.HasPrefix(b, []byte("OggS")):
		what = "Ogg media"
	case len(b) > 12 && string(b[4:8]) == "ftyp":
		what = "media in an MP4 container"
	case len(b) > 0 && readable(b):
		return text(b)
	default:
		what = fmt.Sprintf("binary, %d bytes", len(b))
	}
	inside = hex.EncodeToString(b[:min(len(b), glimpse)])
	if len(b) > glimpse {
		inside += "…"
	}
	return what, inside
}

// text says what kind of text data is.
func text(b []byte) (what, inside string) {
	t := strings.TrimSpace(string(b[:min(len(b), 200)]))
	switch {
	case strings.HasPrefix(t, "{"), strings.HasPrefix(t, "["):
		var out bytes.Buffer
		if len(b) <= maxUnpacked && json.Indent(&out, b, "", "  ") == nil {
			return "JSON", visible(out.String())
		}
	case strings.HasPrefix(t, "<"):
		if strings.Contains(t, "<svg") {
			return "SVG image, as text", cutText(b)
		}
		return "XML or HTML, as text", cutText(b)
	}
	return "text", cutText(b)
}

// readable tells text from other data.
func readable(b []byte) bool {
	if !utf8.Valid(b) {
		return false
	}
	for _, c := range b {
		if c < 0x20 && c != '\n' && c != '\r' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
