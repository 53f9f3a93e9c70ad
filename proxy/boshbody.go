package proxy

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// readBody reads a body without its compression, if it is at most boshBody bytes
// long. Of a longer one rest is what follows. encoding is the compression that was
// taken off.
func readBody(r io.Reader, h http.Header) (body []byte, rest io.Reader, encoding string, err error) {
	switch encoding = strings.ToLower(strings.TrimSpace(h.Get("Content-Encoding"))); encoding {
	case "", "identity":
		encoding = ""
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, nil, encoding, fmt.Errorf("gzip: %w", noEOF(err))
		}
		r = z
	case "deflate":
		if r, err = inflate(r); err != nil {
			return nil, nil, encoding, fmt.Errorf("deflate: %w", noEOF(err))
		}
	default:
		return nil, nil, encoding, fmt.Errorf("the compression %q is not known", encoding)
	}
	var b bytes.Buffer
	n, err := io.Copy(&b, io.LimitReader(r, boshBody))
	if err != nil {
		return nil, nil, encoding, err
	}
	if n < boshBody {
		return b.Bytes(), nil, encoding, nil
	}
	return b.Bytes(), r, encoding, nil
}

// inflate reads "deflate", which is zlib's format (RFC 9110 §8.4.1.2), though some
// send what zlib wraps.
func inflate(r io.Reader) (io.Reader, error) {
	head := make([]byte, 2)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	whole := io.MultiReader(bytes.NewReader(head), r)
	if head[0]&0x0f == 8 && (int(head[0])<<8|int(head[1]))%31 == 0 {
		return zlib.NewReader(whole)
	}
	return flate.NewReader(whole), nil
}

// noEOF makes an error of an end that comes too early.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
