package telemetry

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A problem is one thing that is wrong with one field. The two stages name it in their own words:
// [FromEnv] by the variable and the text it was given, [Config.Validate] by the field and its value.
type problem struct {
	field   string // as written in Go: Push.Endpoint
	value   string // what may be shown of the field's value
	wrong   string
	allowed string
}

// notShown stands for the value of a secret.
const notShown = "(not shown)"

// shownLimit is how much of a value a message repeats.
const shownLimit = 200

func (p problem) text(stage, key, value string) error {
	if value != notShown {
		value = strconv.Quote(abridge(value))
	}
	return fmt.Errorf("%s: %s=%s: %s; %s", stage, key, value, p.wrong, p.allowed)
}

func abridge(value string) string {
	if len(value) <= shownLimit {
		return value
	}
	return strings.ToValidUTF8(value[:shownLimit], "") + "..."
}

// joinProblems words problems for the stage that is named, each by its field.
func joinProblems(stage string, problems []problem) error {
	errs := make([]error, 0, len(problems))
	for _, p := range problems {
		errs = append(errs, p.text(stage, p.field, p.value))
	}
	return errors.Join(errs...)
}

// alternatives words a list of allowed values: a, b or c.
func alternatives[T ~string](allowed []T) string {
	names := make([]string, len(allowed))
	for i, a := range allowed {
		names[i] = string(a)
	}
	last := len(names) - 1
	if last == 0 {
		return names[0]
	}
	return strings.Join(names[:last], ", ") + " or " + names[last]
}
