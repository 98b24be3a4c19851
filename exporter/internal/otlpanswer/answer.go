// Package otlpanswer says what an OTLP backend's answer means: was the request accepted, how many
// points were not, is it worth sending again and when, and if not, what a person should look at.
//
// It knows the OTLP specification's HTTP and gRPC answers and nothing about metrics or transports.
package otlpanswer

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Answer is the outcome of one request. The zero Answer is a plain acceptance.
type Answer struct {
	// Reason is why the request failed; empty when it was accepted.
	Reason Reason
	// Detail is what came back, in one line: a status and the first line of the body, or an error.
	Detail string
	// Rejected is the number of data points a partial success refused.
	Rejected int64
	// Warning is a partial success's message. It may come with Rejected zero.
	Warning string
	// RetryAfter is how long the backend asked to be left alone; zero when it did not say.
	RetryAfter time.Duration
	// Ambiguous reports that the request may have been taken although no answer arrived.
	Ambiguous bool
	// Bytes is the size of the request's body as it was sent.
	Bytes int64
	// Final reports that the backend did not ask for the request again, where its reason alone would allow to send it.
	Final bool
}

// Accepted reports whether the backend took the request, in whole or, see Rejected, in part.
func (a Answer) Accepted() bool { return a.Reason == "" }

// Retryable reports whether sending the same request again may succeed.
func (a Answer) Retryable() bool { return reasons[a.Reason].retryable && !a.Final }

// Advice is what to look at when a person has to act; empty when waiting is enough.
func (a Answer) Advice() string { return reasons[a.Reason].advice }

// Err is the answer as an error; nil when the request was accepted.
func (a Answer) Err() error {
	if a.Accepted() {
		return nil
	}
	if advice := a.Advice(); advice != "" {
		return fmt.Errorf("%s: %s; %s", a.Reason, a.Detail, advice)
	}
	return fmt.Errorf("%s: %s", a.Reason, a.Detail)
}

// longestLine is how much of a foreign text an answer shows.
const longestLine = 200

// FirstLine is the first line of text that has something on it, made printable and cut to a length
// that fits a log line.
func FirstLine(text []byte) string {
	for line := range strings.Lines(strings.ToValidUTF8(string(text), "\uFFFD")) {
		line = strings.TrimSpace(strings.Map(printable, line))
		if line == "" {
			continue
		}
		if len(line) > longestLine {
			cut := longestLine
			for !utf8.RuneStart(line[cut]) {
				cut--
			}
			line = line[:cut] + "…"
		}
		return line
	}
	return "(empty)"
}

func printable(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return ' '
}
