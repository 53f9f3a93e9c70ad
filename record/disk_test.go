package record

import (
	"os"
	"os/exec"
	"strconv"
	"testing"
)

// tinyDisk returns a directory on a file system with room for 64 KiB.
func tinyDisk(t *testing.T) string { return diskOf(t, 64<<10) }

// diskOf returns a directory on a file system with room for so many bytes.
func diskOf(t *testing.T, size int) string {
	t.Helper()
	dir := t.TempDir()
	mount := exec.Command("mount", "-t", "tmpfs", "-o", "size="+strconv.Itoa(size), "tmpfs", dir)
	if out, err := mount.CombinedOutput(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("mount a tiny tmpfs: %v: %s", err, out)
		}
		t.Skipf("needs a small file system, which takes Linux and root: %v", err)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	return dir
}
