// Command x509 asks Go about some hundred certificate situations and prints what it said, for kaccess to repeat:
//
//	cd tests/lab && go run ./x509 >../../testdata/chain/cases.json
//
// crypto/x509 judges every chain for clients and, where a host is named, for servers; the two certificate
// authenticators of k8s.io/apiserver say who it is. Keys are made anew on every run and forgotten.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/group"
	"k8s.io/apiserver/pkg/authentication/request/headerrequest"
	x509request "k8s.io/apiserver/pkg/authentication/request/x509"
)

// now is the moment at which everything is judged, unless a case says otherwise.
const now = "2026-06-01T12:00:00Z"

type verdict struct {
	Chains [][]int `json:"chains,omitempty"`
	Error  string  `json:"error,omitempty"`
}

type user struct {
	Name   string              `json:"name"`
	UID    string              `json:"uid,omitempty"`
	Groups []string            `json:"groups,omitempty"`
	Extra  map[string][]string `json:"extra,omitempty"`
}

// opinion is an authenticator's: a user, an error or nothing.
type opinion struct {
	User  *user  `json:"user,omitempty"`
	Error string `json:"error,omitempty"`
}

// chain is one situation; certificates are given by their place in the list of all.
type chain struct {
	Name          string   `json:"name"`
	Time          string   `json:"time,omitempty"`
	Presented     []int    `json:"presented"`
	Roots         []int    `json:"roots"`
	Host          string   `json:"host,omitempty"`
	Client        verdict  `json:"client"`
	Server        verdict  `json:"server"`
	Any           *verdict `json:"any,omitempty"`
	X509          opinion  `json:"x509"`
	RequestHeader opinion  `json:"requestHeader"`
}

type parsed struct {
	Name  string `json:"name"`
	DER   int    `json:"der"`
	Error string `json:"error,omitempty"`
}

// request is one request with a good front-proxy certificate.
type request struct {
	Name         string      `json:"name"`
	AllowedNames []string    `json:"allowedNames,omitempty"`
	Usernames    []string    `json:"usernames"`
	UIDs         []string    `json:"uids,omitempty"`
	Groups       []string    `json:"groups,omitempty"`
	Prefixes     []string    `json:"prefixes,omitempty"`
	Headers      [][2]string `json:"headers,omitempty"`
	Opinion      opinion     `json:"opinion"`
}

type output struct {
	About        string    `json:"about"`
	Now          string    `json:"now"`
	Certificates []string  `json:"certificates"`
	Chains       []chain   `json:"chains"`
	Parsed       []parsed  `json:"parsed"`
	ProxyClient  int       `json:"proxyClient"`
	ProxyRoot    int       `json:"proxyRoot"`
	Requests     []request `json:"requests"`
}

// recorder collects situations.
type recorder struct {
	out   output
	index map[string]int
}

func (r *recorder) add(der []byte) int {
	if index, known := r.index[string(der)]; known {
		return index
	}
	r.index[string(der)] = len(r.out.Certificates)
	r.out.Certificates = append(r.out.Certificates, base64.StdEncoding.EncodeToString(der))
	return len(r.out.Certificates) - 1
}

func (r *recorder) addAll(certs []*cert) []int {
	list := []int{}
	for _, c := range certs {
		list = append(list, r.add(c.der))
	}
	return list
}

func pool(certs []*x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, c := range certs {
		pool.AddCert(c)
	}
	return pool
}

func parse(name string, certs []*cert) []*x509.Certificate {
	var list []*x509.Certificate
	for _, c := range certs {
		parsed, err := x509.ParseCertificate(c.der)
		if err != nil {
			panic(fmt.Sprintf("%s: %v", name, err))
		}
		list = append(list, parsed)
	}
	return list
}

// situation says what is presented, leaf first, and to which roots.
type situation struct {
	name      string
	presented []*cert
	roots     []*cert
	host      string
	time      string
	any       bool
}

func (r *recorder) judge(s situation) {
	presented, roots := parse(s.name, s.presented), parse(s.name, s.roots)
	at := now
	if s.time != "" {
		at = s.time
	}
	verify := func(usage x509.ExtKeyUsage, host string) verdict {
		chains, err := presented[0].Verify(x509.VerifyOptions{
			DNSName: host, Roots: pool(roots), Intermediates: pool(presented[1:]), CurrentTime: moment(at),
			KeyUsages: []x509.ExtKeyUsage{usage},
		})
		if err != nil {
			return verdict{Error: err.Error()}
		}
		said := verdict{Chains: [][]int{}}
		for _, chain := range chains {
			list := []int{}
			for _, c := range chain {
				list = append(list, r.index[string(c.Raw)])
			}
			said.Chains = append(said.Chains, list)
		}
		return said
	}
	options := x509request.DefaultVerifyOptions()
	options.Roots, options.CurrentTime = pool(roots), moment(at)
	client := x509request.New(options, x509request.CommonNameUserConversion)
	proxy := headerrequest.NewDynamicVerifyOptionsSecure(x509request.StaticVerifierFn(options),
		headerrequest.StaticStringSlice{"alice", "front-proxy-client"}, headerrequest.StaticStringSlice{"X-Remote-User"}, nil1, nil1, nil1)
	headers := http.Header{"X-Remote-User": {"forwarded"}}
	said := chain{
		Name: s.name, Time: s.time, Presented: r.addAll(s.presented), Roots: r.addAll(s.roots), Host: s.host,
	}
	said.Client = verify(x509.ExtKeyUsageClientAuth, "")
	said.Server = verify(x509.ExtKeyUsageServerAuth, s.host)
	if s.any {
		any := verify(x509.ExtKeyUsageAny, s.host)
		said.Any = &any
	}
	said.X509 = ask(client, presented, http.Header{})
	said.RequestHeader = ask(proxy, presented, headers)
	r.out.Chains = append(r.out.Chains, said)
}

var nil1 = headerrequest.StaticStringSlice{}

// ask runs an authenticator behind the one that adds system:authenticated, as the server does.
func ask(a authenticator.Request, presented []*x509.Certificate, headers http.Header) opinion {
	request := must(http.NewRequest(http.MethodGet, "/", nil))
	request.Header, request.TLS = headers, &tls.ConnectionState{PeerCertificates: presented}
	response, ok, err := group.NewAuthenticatedGroupAdder(a).AuthenticateRequest(request)
	if err != nil {
		return opinion{Error: err.Error()}
	}
	if !ok {
		return opinion{}
	}
	u := response.User
	return opinion{User: &user{u.GetName(), u.GetUID(), u.GetGroups(), u.GetExtra()}}
}

func (r *recorder) parse(name string, der []byte) {
	said := parsed{Name: name, DER: r.add(der)}
	if _, err := x509.ParseCertificate(der); err != nil {
		said.Error = err.Error()
	}
	r.out.Parsed = append(r.out.Parsed, said)
}

// request asks the front proxy's authenticator with a certificate that it trusts.
func (r *recorder) request(root, client *cert, q request) {
	r.out.ProxyRoot, r.out.ProxyClient = r.add(root.der), r.add(client.der)
	options := x509request.DefaultVerifyOptions()
	options.Roots, options.CurrentTime = pool(parse(q.Name, []*cert{root})), moment(now)
	// The command line of the server trims them.
	header := must(headerrequest.New(q.Usernames, q.UIDs, q.Groups, q.Prefixes))
	names := headerrequest.StaticStringSlice(q.AllowedNames)
	verifier := x509request.NewDynamicCAVerifier(x509request.StaticVerifierFn(options), header, names)
	headers := http.Header{}
	for _, pair := range q.Headers {
		headers.Add(pair[0], pair[1])
	}
	q.Opinion = ask(verifier, parse(q.Name, []*cert{client}), headers)
	r.out.Requests = append(r.out.Requests, q)
}

func main() {
	version := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			if module.Path == "k8s.io/apiserver" {
				version = module.Version
			}
		}
	}
	r := &recorder{index: map[string]int{}}
	r.out.Now = now
	r.out.About = fmt.Sprintf("Made by `cd tests/lab && go run ./x509 >../../testdata/chain/cases.json` with crypto/x509 of %s "+
		"and the certificate authenticators of k8s.io/apiserver %s: what they said is the expected answer. The keys were "+
		"made for this file and thrown away.", runtime.Version(), version)
	// Offsets of certificates are compared with the machine's.
	time.Local = time.UTC
	trustCases(r)
	dateCases(r)
	usageCases(r)
	pathCases(r)
	hostCases(r)
	constraintCases(r)
	signatureCases(r)
	policyCases(r)
	userCases(r)
	parseCases(r)
	headerCases(r)
	fmt.Fprintf(os.Stderr, "%d certificates, %d chains, %d parsed, %d requests\n",
		len(r.out.Certificates), len(r.out.Chains), len(r.out.Parsed), len(r.out.Requests))
	if err := write(os.Stdout, r.out); err != nil {
		panic(err)
	}
}

// write puts one item on a line, so that a difference can be read.
func write(to io.Writer, out output) error {
	line := func(value any) string {
		var text strings.Builder
		encoder := json.NewEncoder(&text)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(value); err != nil {
			panic(err)
		}
		return strings.TrimSpace(text.String())
	}
	text := fmt.Sprintf("{\"about\":%s,\n\"now\":%s,\"proxyRoot\":%d,\"proxyClient\":%d", line(out.About), line(out.Now), out.ProxyRoot, out.ProxyClient)
	text += list("certificates", out.Certificates, line) + list("chains", out.Chains, line)
	text += list("parsed", out.Parsed, line) + list("requests", out.Requests, line) + "}\n"
	_, err := io.WriteString(to, text)
	return err
}

func list[T any](name string, items []T, line func(any) string) string {
	var lines []string
	for _, item := range items {
		lines = append(lines, line(item))
	}
	return fmt.Sprintf(",\n%q:[\n%s]", name, strings.Join(lines, ",\n"))
}
