// Command proxy asks Go's own proxy rules (golang.org/x/net/http/httpproxy, which net/http holds a copy of) about many
// lists of NO_PROXY and many URLs, and prints what they said, for kaccess to repeat:
//
//	cd tests/lab && go run ./proxy >../../testdata/proxy/cases.json
package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"runtime"
	"strings"

	"golang.org/x/net/http/httpproxy"
)

var urls = []string{
	"https://example.com", "https://example.com:6443", "http://example.com", "https://api.example.com",
	"https://api.example.com:6443", "https://a.b.example.com", "https://notexample.com", "https://example.com.evil.org",
	"https://example.org", "https://API.Example.COM", "https://example.com.", "https://api.example.com.:6443",
	"https://localhost", "https://localhost:6443", "http://localhost:8001", "https://LOCALHOST", "https://localhost.",
	"https://a.localhost", "https://localhost.localdomain", "https://127.0.0.1:6443", "https://127.9.9.9",
	"https://[::1]:6443", "https://[::ffff:127.0.0.1]", "https://0.0.0.0", "https://10.1.2.3", "https://10.1.2.3:6443",
	"https://10.1.3.3:6443", "https://11.1.2.3", "https://192.168.0.10:6443", "https://172.16.0.1",
	"https://[fd00::1]", "https://[fd00::1]:6443", "https://[fd01::1]", "https://[2001:db8::1]:443",
	"https://[::ffff:10.1.2.3]:6443", "https://kubernetes", "https://kubernetes:6443", "https://kubernetes.default.svc",
	"https://xn--bcher-kva.example", "https://api.xn--bcher-kva.example",
	"https://0123456789ABCDEF0123456789ABCDEF.gr7.eu-central-1.eks.amazonaws.com", "https://example.com/prefix?a=b",
	"https://user@example.com", "https://a-b.example.com", "https://1.example.com", "https://3.2.1.10.in-addr.arpa",
}

var lists = []string{
	"", " ", ",", ",,", "*", "* ", " *", "x,*,y", "**", "*.*", ".", "*.", "..", "localhost", "127.0.0.1",
	"example.com", ".example.com", "..example.com", "*.example.com", "*example.com", "*.*.example.com", "example.*",
	"api.*.com", "EXAMPLE.com", "Example.COM:6443", " example.com , other.org ", "example.com other.org",
	"example.com;other.org", "example.com:6443", "example.com:443", "example.com:80", "example.com:", ":443", ":6443",
	"example.com:https", "example.com:0443", ".example.com:6443", "*.example.com:6443", "example.com.", "example.com.:443",
	"api.example.com", "b.example.com", "com", ".com", "http://example.com", "https://example.com", "example.com/",
	"example.com/prefix", "user@example.com", "10.1.2.3", "10.1.2.3:6443", "10.1.2.3:", "10.1.2", "10.1.2.", "10.1.2.*",
	"10.*", "10", "010.1.2.3", "10.1.2.3/32", "10.1.2.3/8", "10.0.0.0/8", "10.0.0.0/8:6443", "10.0.0.0/33", "10.0.0.0/",
	"10.0.0.0/255.0.0.0", "0.0.0.0/0", "::/0", "0.0.0.0", "192.168.0.0/16,10.1.2.0/24", "fd00::1", "[fd00::1]",
	"[fd00::1]:6443", "[fd00::1]:", "fd00::/8", "[fd00::]/8", "fd00::1/128", "FD00::1", "fd00:0:0:0:0:0:0:1",
	"::ffff:10.1.2.3", "::ffff:10.0.0.0/104", "[::ffff:10.1.2.3]:6443", "fe80::1%eth0", "kubernetes", ".kubernetes",
	"kubernetes.default", ".svc", "svc", "svc:443", "default.svc,.cluster.local", "bücher.example", ".bücher.example",
	"xn--bcher-kva.example", "BÜCHER.example", "eks.amazonaws.com", ".eu-central-1.eks.amazonaws.com",
	"*.gr7.eu-central-1.eks.amazonaws.com:443", "a-b.example.com", "-b.example.com", "3.2.1.10.in-addr.arpa",
	"example.com\tother.org", "\texample.com\t", "#example.com", "\"example.com\"", "example.com,example.com:1",
	"example.com:1,example.com", "[example.com]", "[example.com]:443", "[10.1.2.3]:6443", "example.com::443", "a:b:c",
}

// proxies are values of HTTPS_PROXY; the answer is for https://example.com.
var proxies = []string{
	"", "p", "p:3128", "http://p", "http://p:3128", "http://p:3128/", "https://p", "HTTP://p", "socks5://p",
	"socks5h://p", "socks5://p:9050", "socks4://p", "ftp://p", "10.0.0.1:3128", "//p:3128", "http://", "://p", "p:", ":3128",
	"http://[fd00::1]:3128", "user@p:3128", "http://user:word@p:3128", "%%%", "p:port", "http://p:port", "http:/p", "a b",
}

type answer struct {
	Scheme string `json:"scheme,omitempty"`
	Host   string `json:"host,omitempty"`
	Error  bool   `json:"error,omitempty"`
}

func main() {
	type row struct {
		NoProxy string   `json:"noProxy"`
		Direct  []string `json:"direct"`
	}
	type value struct {
		Proxy string `json:"proxy"`
		answer
	}
	var out struct {
		Go      string   `json:"go"`
		URLs    []string `json:"urls"`
		Rows    []row    `json:"rows"`
		Proxies []value  `json:"proxies"`
	}
	out.Go, out.URLs = runtime.Version(), urls
	for _, list := range lists {
		config := httpproxy.Config{HTTPProxy: "http://p:3128", HTTPSProxy: "http://p:3128", NoProxy: list}
		choose := config.ProxyFunc()
		direct := []string{}
		for _, text := range urls {
			parsed, err := url.Parse(text)
			if err != nil {
				panic(err)
			}
			proxy, err := choose(parsed)
			if err != nil {
				panic(fmt.Sprintf("%q %q: %v", list, text, err))
			}
			if proxy == nil {
				direct = append(direct, text)
			}
		}
		out.Rows = append(out.Rows, row{list, direct})
	}
	for _, text := range proxies {
		config := httpproxy.Config{HTTPSProxy: text}
		parsed, _ := url.Parse("https://example.com")
		proxy, err := config.ProxyFunc()(parsed)
		said := answer{Error: err != nil}
		if proxy != nil {
			said.Scheme, said.Host = proxy.Scheme, strings.ToLower(proxy.Host)
		}
		out.Proxies = append(out.Proxies, value{text, said})
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(out); err != nil {
		panic(err)
	}
}
