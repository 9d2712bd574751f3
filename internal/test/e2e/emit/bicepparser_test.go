package emit_test

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/alecthomas/chroma/v2"
)

// resource is a resource declaration. Its properties are strings, []any and map[string]any.
type resource struct {
	kind       string
	existing   bool
	properties map[string]any
	children   []resource
}

// bicepParser parses the part of Bicep that the files use
// (https://github.com/Azure/bicep/blob/main/docs/grammar.md). It evaluates strings and other
// expressions. A parameter's value is its default or, if it has none, its name in angle brackets.
type bicepParser struct {
	tokens     []chroma.Token
	parameters map[string]string
	resources  []resource
}

// parseBicep parses a file. The error says what is wrong with the file.
func parseBicep(tokens []chroma.Token) (p *bicepParser, err error) {
	p = &bicepParser{tokens: tokens, parameters: map[string]string{}}
	defer func() {
		if message, ok := recover().(bicepError); ok {
			err = message
		}
	}()
	for p.skipLines(); len(p.tokens) > 0; p.skipLines() {
		p.declaration()
	}
	return p, nil
}

type bicepError string

func (e bicepError) Error() string { return string(e) }

func (p *bicepParser) fail(want string) {
	var next strings.Builder
	for _, token := range p.tokens[:min(len(p.tokens), 5)] {
		next.WriteString(token.Value + " ")
	}
	panic(bicepError(fmt.Sprintf("%s expected before %q", want, next.String())))
}

func (p *bicepParser) peek() chroma.Token {
	if len(p.tokens) == 0 {
		return chroma.Token{}
	}
	return p.tokens[0]
}

func (p *bicepParser) next() chroma.Token {
	token := p.peek()
	if len(p.tokens) == 0 {
		p.fail("a token")
	}
	p.tokens = p.tokens[1:]
	return token
}

// accept consumes the next token if it has this value and is not part of a string.
func (p *bicepParser) accept(value string) bool {
	if token := p.peek(); token.Value == value && token.Type != chroma.LiteralString {
		p.next()
		return true
	}
	return false
}

func (p *bicepParser) expect(value string) {
	if !p.accept(value) {
		p.fail(strconv.Quote(value))
	}
}

func (p *bicepParser) skipLines() {
	for p.accept("\n") {
	}
}

func (p *bicepParser) word() string {
	switch token := p.peek(); token.Type {
	case chroma.NameVariable, chroma.NameFunction, chroma.KeywordDeclaration:
		return p.next().Value
	}
	p.fail("a name")
	return ""
}

func (p *bicepParser) declaration() {
	switch {
	case p.accept("@"):
		p.expression()
	case p.accept("targetScope"):
		p.expect("=")
		p.string()
	case p.accept("param"):
		name := p.word()
		p.word()
		p.parameters[name] = "<" + name + ">"
		if p.accept("=") {
			p.parameters[name] = fmt.Sprint(p.expression())
		}
	case p.accept("output"):
		p.word()
		p.word()
		p.expect("=")
		p.expression()
	case p.peek().Value == "resource":
		p.resources = append(p.resources, p.resource())
	default:
		p.fail("a declaration")
	}
	p.expect("\n")
}

func (p *bicepParser) resource() resource {
	p.expect("resource")
	p.word()
	r := resource{kind: p.string(), existing: p.accept("existing")}
	p.expect("=")
	r.properties, r.children = p.object()
	return r
}

func (p *bicepParser) object() (properties map[string]any, children []resource) {
	properties = map[string]any{}
	p.expect("{")
	p.expect("\n")
	for !p.accept("}") {
		if p.peek().Value == "resource" {
			children = append(children, p.resource())
		} else {
			name := p.word()
			p.expect(":")
			properties[name] = p.expression()
		}
		p.expect("\n")
		p.skipLines()
	}
	return properties, children
}

func (p *bicepParser) array() (elements []any) {
	p.expect("[")
	p.expect("\n")
	for !p.accept("]") {
		elements = append(elements, p.expression())
		p.expect("\n")
	}
	return elements
}

func (p *bicepParser) expression() any {
	switch token := p.peek(); {
	case token.Type == chroma.LiteralString:
		return p.string()
	case token.Value == "{":
		properties, _ := p.object()
		return properties
	case token.Value == "[":
		return p.array()
	}
	return p.path()
}

// path parses a parameter, a call or a property. It evaluates only parameters.
func (p *bicepParser) path() string {
	var path strings.Builder
	path.WriteString(p.word())
	if p.accept("(") {
		path.WriteString("(")
		for !p.accept(")") {
			path.WriteString(fmt.Sprint(p.expression()))
		}
		path.WriteString(")")
	}
	for p.accept(".") {
		path.WriteString("." + p.word())
	}
	if value, found := p.parameters[path.String()]; found {
		return value
	}
	return path.String()
}

// string parses 'characters, escapes and ${expressions}'.
func (p *bicepParser) string() string {
	if p.peek() != (chroma.Token{Type: chroma.LiteralString, Value: "'"}) {
		p.fail("a string")
	}
	p.next()
	var value strings.Builder
	for {
		switch token := p.next(); {
		case token.Type == chroma.LiteralStringInterpol:
			fmt.Fprint(&value, p.expression())
			p.expect("}")
		case token.Type != chroma.LiteralString || strings.Contains(token.Value, "\n"):
			p.fail("the string's end")
		case token.Value == "'":
			return value.String()
		case token.Value == `\u`:
			value.WriteString(p.codePoint())
		case token.Value[0] == '\\':
			value.WriteString(p.escape(token.Value))
		default:
			value.WriteString(token.Value)
		}
	}
}

// escape evaluates the escapes of
// https://learn.microsoft.com/azure/azure-resource-manager/bicep/data-types#strings, except
// \u{...}.
func (p *bicepParser) escape(sequence string) string {
	meaning, found := map[string]string{`\\`: `\`, `\'`: `'`, `\$`: `$`, `\n`: "\n", `\r`: "\r", `\t`: "\t"}[sequence]
	if !found {
		p.fail("an escape other than " + sequence)
	}
	return meaning
}

// codePoint parses what follows \u and pushes the rest of its token back.
func (p *bicepParser) codePoint() string {
	token := p.next()
	digits, rest, closed := strings.Cut(strings.TrimPrefix(token.Value, "{"), "}")
	point, err := strconv.ParseInt(digits, 16, 32)
	if !closed || err != nil || token.Value[0] != '{' {
		p.fail("{, a code point and }")
	}
	if rest != "" {
		p.tokens = append([]chroma.Token{{Type: token.Type, Value: rest}}, p.tokens...)
	}
	return string(rune(point))
}
