package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/xmpplens/xmpplens/decode/stanza"
)

// This file reads the accounts whose logins are done on each leg. Passwords come
// from files only, and no message says what is in one.

// accounts returns the passwords by bare address. Accounts and files go in pairs,
// each file with one password; or files hold lines of address and password, and
// --account chooses from a single one.
func (c *proxyCmd) accounts() (map[string]string, error) {
	n, files := len(c.Account), c.PasswordFile
	out := make(map[string]string)
	switch {
	case n == 0 && len(files) == 0:
		return nil, nil
	case len(files) == 0:
		return nil, errors.New("--account needs --password-file: a password has no place on the command line")
	case n == len(files):
		for i, jid := range c.Account {
			b, err := os.ReadFile(files[i])
			if err != nil {
				return nil, fmt.Errorf("--password-file: %w", err)
			}
			password, _, _ := strings.Cut(string(b), "\n")
			if password = strings.TrimSuffix(password, "\r"); password == "" {
				return nil, fmt.Errorf("--password-file: the first line of %s is empty: the password of %s belongs there", files[i], jid)
			}
			if err := addAccount(out, jid, password); err != nil {
				return nil, fmt.Errorf("--account: %q %w", jid, err)
			}
		}
		return out, nil
	case n > 0 && len(files) > 1:
		return nil, fmt.Errorf("--account and --password-file go in pairs, or with one file for all: here are %d and %d", n, len(files))
	}
	for _, file := range files {
		if err := readAccounts(out, file); err != nil {
			return nil, err
		}
	}
	if n == 0 {
		return out, nil
	}
	chosen := make(map[string]string)
	for _, jid := range c.Account {
		j, err := account(jid)
		if err != nil {
			return nil, fmt.Errorf("--account: %q %w", jid, err)
		}
		password, ok := out[j]
		if !ok {
			return nil, fmt.Errorf("--account: %s is not in %s", j, files[0])
		}
		chosen[j] = password
	}
	return chosen, nil
}

// account checks an address and brings it into the form in which it is looked up.
func account(jid string) (string, error) {
	j, err := stanza.ParseJID(jid)
	if err != nil || j.Local == "" {
		return "", errors.New("is no address of an account")
	}
	return j.Bare().String(), nil
}

func addAccount(to map[string]string, jid, password string) error {
	j, err := account(jid)
	if err != nil {
		return err
	}
	if _, twice := to[j]; twice {
		return errors.New("is named twice")
	}
	to[j] = password
	return nil
}

// readAccounts reads a file with several accounts. What a line holds is not
// repeated in errors: it may be a password.
func readAccounts(to map[string]string, file string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("--password-file: %w", err)
	}
	lines := strings.Split(string(b), "\n")
	if !slices.ContainsFunc(lines, func(l string) bool { return strings.ContainsRune(l, '@') }) {
		return fmt.Errorf("--password-file: %s holds no address and password; for a file with one password give its --account", file)
	}
	for i, line := range lines {
		line = strings.TrimSuffix(line, "\r")
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		at := strings.IndexAny(line, " \t")
		if at < 0 {
			return fmt.Errorf("--password-file: line %d of %s has no address and password with a blank between them; with --account the file holds one password", i+1, file)
		}
		if err := addAccount(to, line[:at], line[at+1:]); err != nil {
			return fmt.Errorf("--password-file: what line %d of %s begins with %w", i+1, file, err)
		}
	}
	return nil
}
