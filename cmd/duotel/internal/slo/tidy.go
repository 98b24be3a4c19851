package slo

import (
	"fmt"
	"strconv"

	"github.com/prometheus/prometheus/promql/parser"
)

// tidy writes an expression as people would: with line breaks, and with 0.001 in place of the 0.0009999999999999432 that
// subtracting 99.9 from 100 makes.
func tidy(expr string) (string, error) {
	parsed, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
	if err != nil {
		return "", fmt.Errorf("%s: %w", expr, err)
	}
	parser.Inspect(parsed, func(node parser.Node, _ []parser.Node) error {
		if n, ok := node.(*parser.NumberLiteral); ok {
			n.Val, _ = strconv.ParseFloat(strconv.FormatFloat(n.Val, 'g', 12, 64), 64)
		}
		return nil
	})
	return parsed.Pretty(0), nil
}
