package main

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/xmpplens/xmpplens/proxy"
	"github.com/xmpplens/xmpplens/record"
)

// decryption prepares reading the TLS records of a recording with a key log that is
// complete.
func decryption(ctx context.Context, recording, keylog string) (*proxy.Decryption, error) {
	if _, err := os.Stat(keylog); errors.Is(err, fs.ErrNotExist) {
		return nil, usagef("give the file that SSLKEYLOGFILE named", "--keylog: %s does not exist", keylog)
	}
	keys, err := proxy.NewKeyLog(keylog)
	if err != nil {
		return nil, err
	}
	r, err := record.Open(recording)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	d := new(proxy.Decryption)
	return d, d.Scan(ctx, r, keys.Keys)
}
