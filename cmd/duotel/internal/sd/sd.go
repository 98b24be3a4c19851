// Package sd is `duotel sd`: the registry of package discovery as a server. Processes register targets over HTTP,
// Prometheus asks it whom to scrape, and people look at a page.
package sd

import (
	"context"

	"github.com/peterbourgon/ff/v3/ffcli"

	"github.com/duotel/duotel/cmd/duotel/internal/cli"
)

const about = `It keeps a list of targets, and answers Prometheus's http_sd_configs with it:

  PUT    /v1/targets/{group}/{id}  registers a target, or is its sign of life
  DELETE /v1/targets/{group}/{id}  removes it
  PUT    /v1/groups/{group}        makes a group exactly the targets of a list
  GET    /v1/targets               the list, as JSON
  GET    /sd                       the list, as Prometheus reads it
  GET    /                         the list, as people read it
  GET    /metrics, /healthz, /readyz

On a loopback address every client on this machine may register. Any other address needs -principals, or
-web.config.file with basic_auth_users or verified client certificates.

  duotel sd -store file:/var/lib/duotel/targets.json
  duotel sd -listen :9465 -web.config.file web.yml -principals principals.yml

It ends with 0 after SIGTERM or SIGINT, with 1 when serving failed, and with 2 when a flag, a variable or a
file is wrong.`

// New returns the subcommand sd.
func New(s cli.Streams) *ffcli.Command {
	set := cli.Flags("sd")
	o := newOptions(set)
	return cli.Command(s, set, "duotel sd [flags]", "Serve the registry of scrape targets.", about,
		func(ctx context.Context, args []string) error {
			if len(args) > 0 {
				return cli.Usagef("sd: %q: is not a flag, and sd takes no arguments; a value follows its flag, for -probe after =", args[0])
			}
			return run(ctx, s, *o)
		})
}
