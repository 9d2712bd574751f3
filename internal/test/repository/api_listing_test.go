package repository_test

import (
	"fmt"
	"go/types"
	"slices"
	"strings"
)

// listing is a package's exported API, with one line for each name.
type listing struct {
	pkg   *types.Package
	lines []string
}

func listAPI(p *types.Package) []string {
	l := &listing{pkg: p}
	for _, name := range p.Scope().Names() {
		if object := p.Scope().Lookup(name); object.Exported() {
			l.object(object)
		}
	}
	slices.Sort(l.lines)
	return l.lines
}

func (l *listing) add(format string, args ...any) {
	l.lines = append(l.lines, "pkg "+strings.TrimPrefix(l.pkg.Path(), module+"/")+", "+fmt.Sprintf(format, args...))
}

func (l *listing) object(object types.Object) {
	switch o := object.(type) {
	case *types.Const:
		l.add("const %s %s = %s", o.Name(), l.text(o.Type()), o.Val().ExactString())
	case *types.Var:
		l.add("var %s %s", o.Name(), l.text(o.Type()))
	case *types.Func:
		l.add("func %s%s", o.Name(), l.signature(o))
	case *types.TypeName:
		l.typeName(o)
	}
}

func (l *listing) typeName(o *types.TypeName) {
	if o.IsAlias() {
		l.add("type %s = %s", o.Name(), l.text(types.Unalias(o.Type())))
		return
	}
	switch underlying := o.Type().Underlying().(type) {
	case *types.Struct:
		l.add("type %s struct%s", l.text(o.Type()), incomparable(o.Type()))
		l.fields(o.Name(), underlying)
	case *types.Interface:
		l.add("type %s interface%s", l.text(o.Type()), closed(underlying))
	default:
		l.add("type %s %s", l.text(o.Type()), l.text(underlying))
	}
	l.methods(o)
}

// fields lists the fields of a struct, including those promoted from embedded types without an
// exported name.
func (l *listing) fields(of string, s *types.Struct) {
	for i := range s.NumFields() {
		field := s.Field(i)
		line := fmt.Sprintf("type %s struct, %s %s", of, field.Name(), l.text(field.Type()))
		if field.Embedded() {
			line = fmt.Sprintf("type %s struct, embedded %s", of, l.text(field.Type()))
		}
		if tag := s.Tag(i); tag != "" {
			line += " `" + tag + "`"
		}
		if field.Exported() {
			l.add("%s", line)
		} else if inner, ok := pointee(field.Type()).Underlying().(*types.Struct); ok && field.Embedded() {
			l.fields(of, inner)
		}
	}
}

// methods lists the methods of an interface, or of a type and a pointer to it, including those of
// embedded types.
func (l *listing) methods(o *types.TypeName) {
	values, all := types.NewMethodSet(o.Type()), types.NewMethodSet(types.NewPointer(o.Type()))
	if types.IsInterface(o.Type()) {
		all = values
	}
	for selection := range all.Methods() {
		method := selection.Obj().(*types.Func)
		receiver := o.Name()
		if values.Lookup(l.pkg, method.Name()) == nil {
			receiver = "*" + receiver
		}
		if method.Exported() {
			l.add("method (%s) %s%s", receiver, method.Name(), l.signature(method))
		}
	}
}

// text formats a type as code in this package would write it.
func (l *listing) text(t types.Type) string {
	return types.TypeString(t, func(p *types.Package) string {
		if p == l.pkg {
			return ""
		}
		return p.Name()
	})
}

func (l *listing) signature(f *types.Func) string {
	return strings.TrimPrefix(l.text(f.Type()), "func")
}

func pointee(t types.Type) types.Type {
	if p, ok := t.Underlying().(*types.Pointer); ok {
		return p.Elem()
	}
	return t
}

// incomparable notes that values of a type cannot be compared with ==, as an unexported field can
// cause.
func incomparable(t types.Type) string {
	if types.Comparable(t) {
		return ""
	}
	return " that cannot be compared"
}

// closed notes that only its own package can implement an interface.
func closed(i *types.Interface) string {
	for method := range i.Methods() {
		if !method.Exported() {
			return " with unexported methods"
		}
	}
	return ""
}
