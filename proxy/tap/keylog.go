package tap

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
)

// A Label says which secret of a session a line of the key log holds.
type Label int8

const (
	Master          Label = iota // TLS 1.2: the master secret
	EarlyTraffic                 // 0-RTT
	ClientHandshake              // TLS 1.3
	ServerHandshake
	ClientTraffic
	ServerTraffic
	Exporter
	labels // how many
)

var labelNames = [labels]string{
	"CLIENT_RANDOM", "CLIENT_EARLY_TRAFFIC_SECRET", "CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_HANDSHAKE_TRAFFIC_SECRET",
	"CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0", "EXPORTER_SECRET",
}

func (l Label) String() string {
	if l < 0 || l >= labels {
		return "unknown"
	}
	return labelNames[l]
}

// A Key is one line of a key log.
type Key struct {
	Label  Label
	Random Random
	Secret []byte
}

// secrets are those of one session, by label; nil is not known.
type secrets [labels][]byte

// MaxLine bounds a line of a key log in bytes: the longest that counts has 194.
const MaxLine = 512

// ParseKey reads a line of a key log as NSS writes it: a label, the client
// random and the secret, in hexadecimal. ok is false for what is no matter:
// comments, blank lines and labels that are not needed.
func ParseKey(line []byte) (k Key, ok bool, err error) {
	line = bytes.TrimSpace(line)
	if len(line) == 0 || line[0] == '#' {
		return Key{}, false, nil
	}
	if len(line) > MaxLine {
		return Key{}, false, fmt.Errorf("tap: a line of the key log is longer than %d bytes", MaxLine)
	}
	f := bytes.Fields(line)
	k.Label = -1
	for i, name := range labelNames {
		if string(f[0]) == name {
			k.Label = Label(i)
		}
	}
	if k.Label < 0 {
		return Key{}, false, nil
	}
	if len(f) != 3 {
		return Key{}, false, fmt.Errorf("tap: %s is followed by %d fields, not by client random and secret", k.Label, len(f)-1)
	}
	if n, err := hex.Decode(k.Random[:], f[1][:min(len(f[1]), 64)]); err != nil || n != 32 || len(f[1]) != 64 {
		return Key{}, false, fmt.Errorf("tap: the client random of %s is not 64 hexadecimal digits", k.Label)
	}
	k.Secret = make([]byte, hex.DecodedLen(len(f[2])))
	if _, err := hex.Decode(k.Secret, f[2]); err != nil {
		return Key{}, false, fmt.Errorf("tap: the secret of %s: %w", k.Label, err)
	}
	switch n := len(k.Secret); {
	case k.Label == Master && n != 48:
		err = errors.New("not 48 bytes")
	case k.Label != Master && n != 32 && n != 48:
		err = errors.New("neither 32 nor 48 bytes")
	}
	if err != nil {
		return Key{}, false, fmt.Errorf("tap: the secret of %s is %w", k.Label, err)
	}
	return k, true, nil
}
