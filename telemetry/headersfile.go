package telemetry

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/duotel/duotel/exporter"
)

const allowedHeadersFile = "a readable file with a line key=value for each header"

// parseHeadersFile reads lines of key=value. A value is what stands there: nothing in it is decoded. Errors name the
// line and the key and repeat no value.
func (c PushConfig) parseHeadersFile(text []byte) (map[string]exporter.Secret, error) {
	headers := make(map[string]exporter.Secret)
	var errs []error
	number := 0
	for line := range strings.Lines(strings.TrimPrefix(string(text), "\ufeff")) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, wrong := cutHeader(line)
		if wrong == "" {
			wrong = checkHeader(name, value, c.Protocol)
		}
		have, twice := findHeader(headers, name)
		if twice && wrong == "" && headers[have].Reveal() != value {
			wrong = "the key is there twice, with different values"
		}
		if wrong != "" {
			errs = append(errs, errors.New(headerPlace("line "+strconv.Itoa(number), name)+wrong))
			continue
		}
		if twice {
			continue // under the name that came first
		}
		headers[name] = exporter.NewSecret(value)
	}
	return headers, errors.Join(errs...)
}

// headersFrom is parseHeadersFile for a reread.
func (c PushConfig) headersFrom(texts [][]byte) (map[string]exporter.Secret, error) {
	headers, err := c.parseHeadersFile(texts[0])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.HeadersFile, err)
	}
	return headers, nil
}

// checkHeadersFile says what is wrong with each line of the file.
func (c PushConfig) checkHeadersFile() []problem {
	text, err := readSmall(c.HeadersFile)
	if err == nil {
		_, err = c.parseHeadersFile(text)
	}
	if err == nil {
		return nil
	}
	var problems []problem
	for wrong := range strings.SplitSeq(err.Error(), "\n") {
		problems = append(problems, problem{"Push.HeadersFile", c.HeadersFile, wrong, allowedHeadersFile})
	}
	return problems
}
