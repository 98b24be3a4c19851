package discovery

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// readEntries reads a list of at most as many entries as a group may have. They are counted while they come: a body of millions of them costs no memory.
func readEntries(body io.Reader, group string) ([]json.RawMessage, error) {
	notAList := fmt.Errorf("discovery: the group is not a list of targets: %w", errNotValid)
	decoder := json.NewDecoder(body)
	// null is no list: a client's empty variable must not remove a group.
	if token, err := decoder.Token(); err != nil || token != json.Delim('[') {
		return nil, readError(err, notAList)
	}
	entries := []json.RawMessage{}
	for decoder.More() {
		if len(entries) == MaxGroupTargets {
			return nil, fmt.Errorf("discovery: Group=%q: would have more than %d targets; at most %[2]d: %w", cut(group), MaxGroupTargets, errNotValid)
		}
		var entry json.RawMessage
		if err := decoder.Decode(&entry); err != nil {
			return nil, readError(err, notAList)
		}
		entries = append(entries, entry)
	}
	if _, err := decoder.Token(); err != nil {
		return nil, readError(err, notAList)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, readError(err, notAList)
	}
	return entries, nil
}

// readError is err where it is about reading, such as a body that is too large, and otherwise what is wrong with the body.
func readError(err, notAList error) error {
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return fmt.Errorf("discovery: the group cannot be read: %w", err)
	}
	return notAList
}
