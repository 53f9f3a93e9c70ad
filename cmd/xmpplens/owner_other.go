//go:build !unix

package main

import "io/fs"

// ownOnly reports whether nobody but the user can look into a directory. There are
// no modes here that tell; the directory for temporary files is the user's own.
func ownOnly(fs.FileInfo) bool { return true }
