// Command apiserver is the lab's judge: a real kube-apiserver with its own etcd in one process.
//
// Usage: apiserver [--etcd-dir DIR] [kube-apiserver flags...]
//
// etcd listens on loopback ports that the system chooses; everything else is kube-apiserver's own command.
package main

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

// loopbackURL finds a free loopback port for etcd.
func loopbackURL() (url.URL, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return url.URL{}, err
	}
	defer listener.Close()
	return url.URL{Scheme: "http", Host: listener.Addr().String()}, nil
}

func startEtcd(dir string) (*embed.Etcd, string, error) {
	client, err := loopbackURL()
	if err != nil {
		return nil, "", err
	}
	peer, err := loopbackURL()
	if err != nil {
		return nil, "", err
	}
	config := embed.NewConfig()
	config.Dir = dir
	config.LogLevel = "error"
	config.UnsafeNoFsync = true
	config.ListenClientUrls = []url.URL{client}
	config.AdvertiseClientUrls = []url.URL{client}
	config.ListenPeerUrls = []url.URL{peer}
	config.AdvertisePeerUrls = []url.URL{peer}
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	etcd, err := embed.StartEtcd(config)
	if err != nil {
		return nil, "", err
	}
	select {
	case <-etcd.Server.ReadyNotify():
		return etcd, client.String(), nil
	case <-time.After(60 * time.Second):
		etcd.Close()
		return nil, "", fmt.Errorf("etcd was not ready after 60 s")
	}
}

func main() {
	dir := ""
	arguments := []string{}
	for _, argument := range os.Args[1:] {
		if value, found := strings.CutPrefix(argument, "--etcd-dir="); found {
			dir = value
			continue
		}
		arguments = append(arguments, argument)
	}
	if dir == "" {
		made, err := os.MkdirTemp("", "lab-etcd-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		defer os.RemoveAll(made)
		dir = made
	}
	etcd, endpoint, err := startEtcd(dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, "etcd:", err)
		os.Exit(1)
	}
	command := app.NewAPIServerCommand()
	command.SetArgs(append([]string{"--etcd-servers=" + endpoint}, arguments...))
	code := cli.Run(command)
	etcd.Close()
	os.Exit(code)
}
