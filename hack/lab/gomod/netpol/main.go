// Kubernetes' own tests of NetworkPolicies (test/e2e/network/netpol), without the rest of its end-to-end tests: that
// builds in a minute, and needs nothing else of a cluster.
//
// The flags are those of Kubernetes' e2e.test (--kubeconfig, --ginkgo.focus, --ginkgo.json-report …) and the four here.
package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/gomega"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientset "k8s.io/client-go/kubernetes"
	"k8s.io/kubernetes/test/e2e/framework"
	"k8s.io/kubernetes/test/e2e/framework/config"
	_ "k8s.io/kubernetes/test/e2e/network/netpol"
	imageutils "k8s.io/kubernetes/test/utils/image"
)

var (
	image  = flag.Bool("print-image", false, "print the image of the tests' pods, and end")
	prefix = flag.String("namespace-prefix", "", "begins the names of the tests' namespaces")
	label  = flag.String("pod-label", "", "fail each test whose pods don't all carry this label")
	hidden = flag.String("hidden-policies", "", "label of the NetworkPolicies that the tests don't find in a list")
)

type suite struct{}

// Fail is what RunSpecs returns too.
func (suite) Fail() {}

// hideLabelled adds a selector to the lists of NetworkPolicies: a test that deletes all that it finds means its own.
type hideLabelled struct{ next http.RoundTripper }

func (h hideLabelled) RoundTrip(request *http.Request) (*http.Response, error) {
	query := request.URL.Query()
	if request.Method == http.MethodGet && strings.HasSuffix(request.URL.Path, "/networkpolicies") && !query.Has("labelSelector") {
		query.Set("labelSelector", "!"+*hidden)
		request = request.Clone(request.Context())
		request.URL.RawQuery = query.Encode()
	}
	return h.next.RoundTrip(request)
}

func hidePolicies(f *framework.Framework) {
	ginkgo.BeforeEach(func() {
		if *hidden == "" {
			return
		}
		config := f.ClientConfig()
		config.Wrap(func(next http.RoundTripper) http.RoundTripper { return hideLabelled{next} })
		client, err := clientset.NewForConfig(config)
		framework.ExpectNoError(err)
		f.ClientSet = client
	})
}

// checkPods comes after each test, before the framework deletes its namespaces.
func checkPods(f *framework.Framework) {
	ginkgo.JustAfterEach(func(ctx context.Context) {
		if *label == "" {
			return
		}
		run := metav1.ListOptions{LabelSelector: "e2e-run=" + string(framework.RunID)}
		namespaces, err := f.ClientSet.CoreV1().Namespaces().List(ctx, run)
		framework.ExpectNoError(err)
		for _, namespace := range namespaces.Items {
			others := metav1.ListOptions{LabelSelector: "!" + *label}
			pods, err := f.ClientSet.CoreV1().Pods(namespace.Name).List(ctx, others)
			framework.ExpectNoError(err)
			for _, pod := range pods.Items {
				framework.Failf("pod %s/%s has no label %s", pod.Namespace, pod.Name, *label)
			}
		}
	})
}

func createNamespace(ctx context.Context, name string, client clientset.Interface, labels map[string]string) (*v1.Namespace, error) {
	return framework.CreateTestingNS(ctx, *prefix+name, client, labels)
}

func main() {
	config.CopyFlags(config.Flags, flag.CommandLine)
	framework.RegisterCommonFlags(flag.CommandLine)
	framework.RegisterClusterFlags(flag.CommandLine)
	flag.Parse()
	if *image {
		fmt.Println(imageutils.GetE2EImage(imageutils.Agnhost))
		return
	}
	framework.AfterReadingAllFlags(&framework.TestContext)
	framework.TestContext.CreateTestingNS = createNamespace
	framework.NewFrameworkExtensions = append(framework.NewFrameworkExtensions, hidePolicies, checkPods)
	gomega.RegisterFailHandler(framework.Fail)
	suiteConfig, reporterConfig := framework.CreateGinkgoConfig()
	if !ginkgo.RunSpecs(suite{}, "NetworkPolicies", suiteConfig, reporterConfig) {
		os.Exit(1)
	}
}
