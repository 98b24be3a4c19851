package spool

import (
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// Who else has files in the directory does not name them like this: duotel-, the time in nanoseconds, a
// sequence number, a random number of the process, .otlp. Two processes with one clock and one process
// number, as the first processes of two containers are, do not take each other's names.
//
// A file that is being written, and one that was set aside, have another suffix behind that. What has any
// other name is never opened, renamed or removed.
var ownName = regexp.MustCompile(`^duotel-([0-9]{19})-[0-9]{10}-[0-9a-f]{16}\.otlp(\.partial|\.corrupt)?$`)

const (
	partialSuffix = ".partial"
	corruptSuffix = ".corrupt"
	lockName      = "duotel.lock"
)

// newName is a name that no other file has. It sorts behind those of earlier requests of this process,
// and by time among those of others.
func (s *Spool) newName() string {
	return fmt.Sprintf("duotel-%019d-%010d-%016x.otlp", max(0, s.now().UnixNano()), s.sequence.Add(1), s.process)
}

// parseName returns when a file's request was written, and the suffix that says what is the matter with
// the file: none when it is a request that waits.
func parseName(name string) (at time.Time, suffix string, own bool) {
	m := ownName.FindStringSubmatch(name)
	if m == nil {
		return time.Time{}, "", false
	}
	nanos, err := strconv.ParseInt(m[1], 10, 64)
	return time.Unix(0, nanos), m[2], err == nil
}
