package discovery

import (
	"fmt"
	"io"
	"log/slog"
)

// notShown is what stands for a [Secret] wherever it is printed.
const notShown = "(not shown)"

// A Secret is a text that is not printed by accident: fmt with any verb, slog and encoding/json show "(not shown)".
// The zero Secret is the empty text.
type Secret struct {
	// A pointer, because fmt prints the unexported fields of a structure without asking them how: it shows an
	// address here, where a string would be shown whole.
	text *string
}

// NewSecret returns a Secret that holds text.
func NewSecret(text string) Secret { return Secret{text: &text} }

// Reveal returns the text.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// String returns "(not shown)".
func (s Secret) String() string { return notShown }

// Format writes "(not shown)", whatever the verb. It implements [fmt.Formatter].
func (s Secret) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, notShown) // a State does not fail
}

// MarshalText returns "(not shown)". It implements [encoding.TextMarshaler], and so speaks for encoding/json too.
func (s Secret) MarshalText() ([]byte, error) { return []byte(notShown), nil }

// LogValue returns "(not shown)". It implements [slog.LogValuer].
func (s Secret) LogValue() slog.Value { return slog.StringValue(notShown) }
