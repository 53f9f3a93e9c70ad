package tap

import (
	"errors"
	"fmt"
)

// Why a side cannot be read. The bytes themselves are no matter of this package:
// whoever has them may try again with other keys.
var (
	ErrNotTLS    = errors.New("tap: these are no TLS records")
	ErrDecrypt   = errors.New("tap: a record cannot be decrypted: the secrets in the key log are not this session's, or bytes are missing")
	ErrNoKeys    = errors.New("tap: the session's secrets are not in the key log")
	ErrHandshake = errors.New("tap: a handshake message cannot be read")
)

// A BacklogError says that too much waited for secrets.
type BacklogError struct {
	Limit int // bytes
}

func (e *BacklogError) Error() string {
	return fmt.Sprintf("tap: more than %d bytes waited for the session's secrets", e.Limit)
}

// A VersionError names a version that is not read.
type VersionError struct{ Version uint16 }

func (e *VersionError) Error() string {
	return "tap: " + versionName(e.Version) + " is not read, only TLS 1.2 and 1.3"
}

// A SuiteError names a cipher suite that is not read: those of TLS 1.2 that are
// no AEAD, mostly.
type SuiteError struct{ Suite uint16 }

func (e *SuiteError) Error() string {
	return fmt.Sprintf("tap: the cipher suite 0x%04x is not read, only AES-GCM and ChaCha20-Poly1305 are", e.Suite)
}

func versionName(v uint16) string {
	switch v {
	case 0x0300:
		return "SSL 3.0"
	case 0x0301:
		return "TLS 1.0"
	case 0x0302:
		return "TLS 1.1"
	case version12:
		return "TLS 1.2"
	case version13:
		return "TLS 1.3"
	}
	return fmt.Sprintf("TLS version 0x%04x", v)
}
