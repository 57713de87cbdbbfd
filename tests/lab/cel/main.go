// Command cel asks the real kube-apiserver code about CEL expressions: it compiles each line of expressions.txt
// with the compiler of an AuthenticationConfiguration and evaluates it over the inputs of inputs.json.
//
//	cel                 the answers, as testdata/cel/cases.json holds them
//	cel declarations    every function overload of that compiler's environment
package main

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strings"
	"time"

	"github.com/google/cel-go/checker"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	authncel "k8s.io/apiserver/pkg/authentication/cel"
	k8scel "k8s.io/apiserver/pkg/cel"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/apiserver/pkg/cel/lazy"
)

//go:embed expressions.txt
var expressions string

//go:embed inputs.json
var inputs []byte

const about = "What the CEL code of k8s.io/apiserver says, with the version that tests/lab/go.mod names. " +
	"Made by: cd tests/lab && go run ./cel > ../../testdata/cel/cases.json"

// place is where an expression stands in the configuration.
type place string

const (
	mapping   place = "mapping"
	claimRule place = "claim-rule"
	userRule  place = "user-rule"
)

type input struct {
	Claims []map[string]json.RawMessage `json:"claims"`
	Users  []user                       `json:"users"`
}

type user struct {
	Username string              `json:"username"`
	UID      string              `json:"uid"`
	Groups   []string            `json:"groups"`
	Extra    map[string][]string `json:"extra"`
}

// result is the value or the error, what oidc.go makes of it for groups and extra, and the cost. What depends on the
// random order of Go's maps is left out: Varies is "answer" or "cost" then.
type result struct {
	Value   any       `json:"value,omitempty"`
	Error   string    `json:"error,omitempty"`
	Strings *[]string `json:"strings,omitempty"`
	Cost    uint64    `json:"cost,omitempty"`
	Varies  string    `json:"varies,omitempty"`
}

// attempts are enough for every order of a few entries to show.
const attempts = 40

type answer struct {
	Place      place  `json:"place"`
	Expression string `json:"expression"`
	Refused    string `json:"refused,omitempty"`
	// Panics is what the compiler itself died of.
	Panics  string   `json:"panics,omitempty"`
	Results []result `json:"results,omitempty"`
}

func main() {
	compiler := authncel.NewDefaultCompiler()
	if len(os.Args) > 1 && os.Args[1] == "declarations" {
		declarations()
		return
	}
	var in input
	must(json.Unmarshal(inputs, &in))
	var out bytes.Buffer
	fmt.Fprintf(&out, "{\n\"about\": %s,\n\"inputs\": %s,\n\"cases\": [\n", encode(about), compact(inputs))
	first := true
	at := mapping
	lines := bufio.NewScanner(strings.NewReader(expressions))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.TrimSpace(line) == "", strings.HasPrefix(line, "# "):
			continue
		case line == "@"+string(mapping), line == "@"+string(claimRule), line == "@"+string(userRule):
			at = place(line[1:])
			continue
		case strings.HasPrefix(line, "json:"):
			must(json.Unmarshal([]byte(strings.TrimPrefix(line, "json:")), &line))
		}
		if !first {
			out.WriteString(",\n")
		}
		first = false
		out.WriteString(encode(judge(compiler, at, line, in)))
	}
	out.WriteString("\n]}\n")
	_, err := os.Stdout.Write(out.Bytes())
	must(err)
}

func judge(compiler authncel.Compiler, at place, expression string, in input) (said answer) {
	said = answer{Place: at, Expression: expression}
	defer func() {
		if reason := recover(); reason != nil {
			said = answer{Place: at, Expression: expression, Panics: fmt.Sprint(reason)}
		}
	}()
	var compiled authncel.CompilationResult
	var err error
	switch at {
	case mapping:
		compiled, err = compiler.CompileClaimsExpression(&authncel.ClaimMappingExpression{Expression: expression})
	case claimRule:
		compiled, err = compiler.CompileClaimsExpression(&authncel.ClaimValidationCondition{Expression: expression})
	case userRule:
		compiled, err = compiler.CompileUserExpression(&authncel.UserValidationCondition{Expression: expression})
	default:
		panic("no such place: " + at)
	}
	if err != nil {
		said.Refused = err.(*k8scel.Error).Detail
		return said
	}
	once := func(name string, value traits.Mapper) result {
		got, details, err := compiled.Program.ContextEval(context.Background(), map[string]any{name: value})
		if err != nil {
			return result{Error: err.Error()}
		}
		one := result{Value: plain(got)}
		if texts := stringList(got); at == mapping && texts != nil {
			one.Strings = &texts
		}
		if cost := details.ActualCost(); cost != nil {
			one.Cost = *cost
		}
		return one
	}
	evaluate := func(name string, value func() traits.Mapper) {
		start := time.Now()
		one := once(name, value())
		slow := time.Since(start) > 50*time.Millisecond
		for attempt := 1; attempt < attempts && one.Varies != "answer" && !slow; attempt++ {
			other := once(name, value())
			if one.Varies != "" {
				other.Cost, other.Varies = one.Cost, one.Varies
			}
			if encode(one) == encode(other) {
				continue
			}
			one.Cost, other.Cost = 0, 0
			one.Varies, other.Varies = "cost", "cost"
			if encode(one) != encode(other) {
				one = result{Varies: "answer"}
			}
		}
		said.Results = append(said.Results, one)
	}
	if at == userRule {
		for _, user := range in.Users {
			evaluate("user", func() traits.Mapper { return userValue(user) })
		}
		return said
	}
	for _, claims := range in.Claims {
		evaluate("claims", func() traits.Mapper { return claimsValue(claims) })
	}
	return said
}

// The two values are made as oidc.go makes them: a lazy map whose members undo the escapes of field names.

func claimsValue(claims map[string]json.RawMessage) *lazy.MapValue {
	value := lazy.NewMapValue(types.NewObjectType("kubernetes.claims"))
	for name := range claims {
		value.Append(name, func(*lazy.MapValue) ref.Val {
			var decoded any
			must(json.Unmarshal(claims[name], &decoded))
			return unescaping(types.DefaultTypeAdapter.NativeToValue(decoded))
		})
	}
	return value
}

func userValue(info user) *lazy.MapValue {
	value := lazy.NewMapValue(types.NewObjectType("kubernetes.UserInfo"))
	for _, field := range []struct {
		name string
		of   any
	}{{"username", info.Username}, {"uid", info.UID}, {"groups", info.Groups}, {"extra", info.Extra}} {
		value.Append(field.name, func(*lazy.MapValue) ref.Val {
			return unescaping(types.DefaultTypeAdapter.NativeToValue(field.of))
		})
	}
	return value
}

type unescapingMap struct{ traits.Mapper }

func (m *unescapingMap) Find(key ref.Val) (ref.Val, bool) {
	if text, ok := key.(types.String); ok {
		if name, ok := k8scel.Unescape(string(text)); ok && name != string(text) {
			key = types.String(name)
		}
	}
	value, found := m.Mapper.Find(key)
	return unescaping(value), found
}

type unescapingList struct{ traits.Lister }

func (l *unescapingList) Get(index ref.Val) ref.Val { return unescaping(l.Lister.Get(index)) }

func unescaping(value ref.Val) ref.Val {
	switch value := value.(type) {
	case traits.Mapper:
		return &unescapingMap{value}
	case traits.Lister:
		return &unescapingList{value}
	}
	return value
}

// plain writes a value with its type: a list is an array, everything else an object of one member.
func plain(value ref.Val) any {
	one := func(kind string, value any) any { return map[string]any{kind: value} }
	switch v := value.(type) {
	case types.Bool:
		return one("bool", bool(v))
	case types.Int:
		return one("int", fmt.Sprint(int64(v)))
	case types.Uint:
		return one("uint", fmt.Sprint(uint64(v)))
	case types.Double:
		return one("double", fmt.Sprint(float64(v)))
	case types.String:
		return one("string", string(v))
	case types.Bytes:
		return one("bytes", fmt.Sprintf("%x", []byte(v)))
	case types.Null:
		return one("null", true)
	case types.Duration:
		return one("duration", v.Duration.String())
	case types.Timestamp:
		return one("timestamp", v.Time.UTC().Format("2006-01-02T15:04:05.999999999Z07:00"))
	case *types.Type:
		return one("type", v.TypeName())
	case *types.Optional:
		if !v.HasValue() {
			return one("optional", nil)
		}
		return one("optional", plain(v.GetValue()))
	case traits.Lister:
		items := []any{}
		for it := v.Iterator(); it.HasNext() == types.True; {
			items = append(items, plain(it.Next()))
		}
		return items
	case *lazy.MapValue:
		return one("object", v.Type().TypeName())
	case traits.Mapper:
		entries := []any{}
		for it := v.Iterator(); it.HasNext() == types.True; {
			key := it.Next()
			entries = append(entries, []any{plain(key), plain(v.Get(key))})
		}
		sort.Slice(entries, func(i, j int) bool { return encode(entries[i]) < encode(entries[j]) })
		return one("map", entries)
	}
	return one("opaque", value.Type().TypeName())
}

// stringList is nil where the server would say "expression must return a string or a list of strings".
func stringList(value ref.Val) []string {
	texts := []string{}
	add := func(text any) bool {
		one, ok := text.(string)
		if ok && one != "" {
			texts = append(texts, one)
		}
		return ok
	}
	switch value.Type().TypeName() {
	case "null_type":
		return texts
	case "string":
		add(value.Value())
		return texts
	case "list":
		switch items := value.Value().(type) {
		case []any:
			for _, item := range items {
				if !add(item) {
					return nil
				}
			}
			return texts
		case []ref.Val:
			for _, item := range items {
				if !add(item.Value()) {
					return nil
				}
			}
			return texts
		}
	}
	return nil
}

func declarations() {
	env, err := environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion()).Env(environment.StoredExpressions)
	must(err)
	functions := env.Functions()
	names := make([]string, 0, len(functions))
	for name := range functions {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		for _, overload := range functions[name].OverloadDecls() {
			arguments := make([]string, 0, len(overload.ArgTypes()))
			for _, argument := range overload.ArgTypes() {
				arguments = append(arguments, checker.FormatCELType(argument))
			}
			style := "global"
			if overload.IsMemberFunction() {
				style = "member"
			}
			fmt.Printf("%s\t%s\t%s\t(%s)\t%s\tstrict=%v\n", name, style, overload.ID(), strings.Join(arguments, ", "),
				checker.FormatCELType(overload.ResultType()), !overload.IsNonStrict())
		}
	}
	for _, m := range env.Macros() {
		fmt.Printf("macro\t%s\t%v\t%d\n", m.Function(), m.IsReceiverStyle(), m.ArgCount())
	}
	for _, v := range env.Validators() {
		fmt.Printf("validator\t%s\n", v.Name())
	}
	for _, v := range env.Variables() {
		fmt.Printf("variable\t%s\t%s\n", v.Name(), checker.FormatCELType(v.Type()))
	}
}

func encode(value any) string {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	must(encoder.Encode(value))
	return strings.TrimSuffix(out.String(), "\n")
}

func compact(text []byte) string {
	var out bytes.Buffer
	must(json.Compact(&out, text))
	return out.String()
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
