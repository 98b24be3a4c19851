package sd

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/duotel/duotel/discovery"
)

// principal is somebody who may register, and what. Exactly one of user, certificate and token says who.
type principal struct {
	line              int
	name              string
	user, certificate string
	token             *[sha256.Size]byte // the hash
	grant             discovery.Grant
}

// credential names what proves that a client is the principal.
func (p principal) credential() string {
	switch {
	case p.user != "":
		return fmt.Sprintf("user %q", p.user)
	case p.certificate != "":
		return fmt.Sprintf("certificate %q", p.certificate)
	}
	return "this token_sha256"
}

var groupPattern = regexp.MustCompile(`^([A-Za-z0-9._:@~+-]+\*?|\*)$`)

// parsePrincipals reads a file of principals. All errors are returned at once, each with its line.
func parsePrincipals(text []byte) ([]principal, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document yaml.Node
	if err := decoder.Decode(&document); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if err := decoder.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		return nil, errors.New("has a second document; one")
	}
	if len(document.Content) == 0 {
		return nil, errors.New("is empty; principals: and a list of at least one")
	}
	var all []principal
	err := fields(document.Content[0], map[string]func(*yaml.Node) error{
		"principals": func(list *yaml.Node) (err error) {
			all, err = decodePrincipals(list)
			return err
		},
	})
	if err == nil && len(all) == 0 {
		err = errors.New("has no principals; at least one, because nobody else may register")
	}
	if err = errors.Join(err, unique(all)); err != nil {
		return nil, err
	}
	return all, nil
}

func decodePrincipals(list *yaml.Node) ([]principal, error) {
	if list.Kind != yaml.SequenceNode {
		return nil, lineError(list, "principals", "is not a list", "- name: …, for each principal")
	}
	var all []principal
	var errs []error
	for _, node := range list.Content {
		p, err := decodePrincipal(node)
		errs = append(errs, err)
		all = append(all, p)
	}
	return all, errors.Join(errs...)
}

func decodePrincipal(node *yaml.Node) (principal, error) {
	p := principal{line: node.Line}
	credentials := 0
	credential := func(field string, set func(string) error) func(*yaml.Node) error {
		return func(value *yaml.Node) error {
			credentials++
			return scalar(field, set)(value)
		}
	}
	err := fields(node, map[string]func(*yaml.Node) error{
		"name":        scalar("name", func(text string) error { p.name = text; return nil }),
		"user":        credential("user", func(text string) error { p.user = text; return nil }),
		"certificate": credential("certificate", func(text string) error { p.certificate = text; return nil }),
		"token_sha256": credential("token_sha256", func(text string) (err error) {
			p.token, err = parseTokenHash(text)
			return err
		}),
		"groups": sequence("groups", func(text string) error {
			if !groupPattern.MatchString(text) {
				return fmt.Errorf("%q: is not a group; letters, digits and any of \"._-:@~+\", with * at the end for all that begin so", text)
			}
			p.grant.Groups = append(p.grant.Groups, text)
			return nil
		}),
		"addresses": sequence("addresses", func(text string) error {
			prefix, err := parseRange(text)
			p.grant.Addresses = append(p.grant.Addresses, prefix)
			return err
		}),
	})
	if err != nil || node.Kind != yaml.MappingNode {
		return p, err
	}
	if p.name == "" {
		err = errors.Join(err, lineError(node, "name", "is missing", "a name for the log and for people"))
	}
	if credentials != 1 {
		err = errors.Join(err, lineError(node, "user, certificate, token_sha256", fmt.Sprintf("%d of them are given", credentials), "exactly one"))
	}
	if len(p.grant.Groups) == 0 {
		err = errors.Join(err, lineError(node, "groups", "is missing", `the groups that may be written, "*" for all`))
	}
	return p, err
}

// parseTokenHash reads the hash of a token. The value is not shown, because people paste the token itself.
func parseTokenHash(text string) (*[sha256.Size]byte, error) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != sha256.Size {
		return nil, fmt.Errorf("is not a SHA-256 (not shown); %d hexadecimal digits, as `printf %%s \"$TOKEN\" | sha256sum` writes them", 2*sha256.Size)
	}
	hash := [sha256.Size]byte(raw)
	if hash == sha256.Sum256(nil) {
		return nil, errors.New("is the hash of nothing; that of a token")
	}
	return &hash, nil
}

// unique returns an error for each name and each credential that is there twice.
func unique(all []principal) error {
	names, proofs := map[string]int{}, map[string]int{}
	var errs []error
	for _, p := range all {
		if before, ok := names[p.name]; ok {
			errs = append(errs, fmt.Errorf("line %d: name: %q is that of line %d too; each name once", p.line, p.name, before))
		}
		proof := p.credential()
		if p.token != nil {
			proof = string(p.token[:])
		}
		if before, ok := proofs[proof]; ok {
			errs = append(errs, fmt.Errorf("line %d: %s is that of line %d too; each once", p.line, p.credential(), before))
		}
		names[p.name], proofs[proof] = p.line, p.line
	}
	return errors.Join(errs...)
}

// provable returns an error for each principal that no client can ever prove to be, as the web configuration is.
func provable(all []principal, web webConfig) error {
	var errs []error
	for _, p := range all {
		_, known := web.users[p.user]
		switch {
		case p.user != "" && !known:
			errs = append(errs, fmt.Errorf("line %d: user: %q is not among basic_auth_users of -web.config.file; one of %q", p.line, p.user, slices.Sorted(maps.Keys(web.users))))
		case p.certificate != "" && !web.certificates:
			errs = append(errs, fmt.Errorf("line %d: certificate: %q cannot be verified; client_auth_type: RequireAndVerifyClientCert or VerifyClientCertIfGiven in -web.config.file", p.line, p.certificate))
		case p.token != nil && len(web.users) > 0:
			errs = append(errs, fmt.Errorf("line %d: token_sha256: a token cannot be sent where -web.config.file has basic_auth_users; user, or certificate", p.line))
		}
	}
	return errors.Join(errs...)
}

// fields calls known for each field of a mapping. A field that is not known, or there twice, is an error.
func fields(node *yaml.Node, known map[string]func(*yaml.Node) error) error {
	allowed := strings.Join(slices.Sorted(maps.Keys(known)), ", ")
	if node.Kind != yaml.MappingNode {
		return lineError(node, "", "is not a mapping", "the fields "+allowed)
	}
	var errs []error
	seen := map[string]int{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		decode, ok := known[key.Value]
		switch before, twice := seen[key.Value]; {
		case key.Kind != yaml.ScalarNode || !ok:
			errs = append(errs, lineError(key, key.Value, "is not known", allowed))
		case twice:
			errs = append(errs, lineError(key, key.Value, fmt.Sprintf("is there twice, first in line %d", before), "once"))
		default:
			errs = append(errs, decode(value))
		}
		seen[key.Value] = key.Line
	}
	return errors.Join(errs...)
}

// scalar returns a decoder of one value. An error of set gets the line and the field.
func scalar(field string, set func(string) error) func(*yaml.Node) error {
	return func(node *yaml.Node) error {
		if node.Kind != yaml.ScalarNode || node.Tag == "!!null" || node.Value == "" {
			return lineError(node, field, "is not a text", "a text that is not empty")
		}
		if err := set(node.Value); err != nil {
			return fmt.Errorf("line %d: %s: %w", node.Line, field, err)
		}
		return nil
	}
}

// sequence returns a decoder of a list of values.
func sequence(field string, add func(string) error) func(*yaml.Node) error {
	return func(node *yaml.Node) error {
		if node.Kind != yaml.SequenceNode || len(node.Content) == 0 {
			return lineError(node, field, "is not a list with something in it", "such as ["+`"a", "b"`+"]")
		}
		var errs []error
		for _, item := range node.Content {
			errs = append(errs, scalar(field, add)(item))
		}
		return errors.Join(errs...)
	}
}

func lineError(node *yaml.Node, field, problem, allowed string) error {
	if field != "" {
		field = " " + field + ":"
	}
	return fmt.Errorf("line %d:%s %s; %s", node.Line, field, problem, allowed)
}
