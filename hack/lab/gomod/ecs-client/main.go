// Command ecs-client runs a task of ECS's and waits for its end, by AWS's own SDK for Go: a client for tests.
//
//	ecs-client CLUSTER TASK-DEFINITION SUBNET
package main

import (
	"context"
	"encoding/json"
	"errors"
	"log"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

const longest = 5 * time.Minute

func main() {
	if len(os.Args) != 4 {
		log.Fatal("usage: ecs-client CLUSTER TASK-DEFINITION SUBNET")
	}
	if err := run(context.Background(), os.Args[1], os.Args[2], os.Args[3]); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, cluster, definition, subnet string) error {
	settings, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	client := ecs.NewFromConfig(settings)
	begun, err := client.RunTask(ctx, &ecs.RunTaskInput{
		Cluster:        &cluster,
		TaskDefinition: &definition,
		LaunchType:     types.LaunchTypeFargate,
		NetworkConfiguration: &types.NetworkConfiguration{
			AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: []string{subnet}},
		},
	})
	if err != nil {
		return err
	}
	if len(begun.Tasks) != 1 {
		return errors.New("no task was run")
	}
	asked := &ecs.DescribeTasksInput{Cluster: &cluster, Tasks: []string{*begun.Tasks[0].TaskArn}}
	often := func(options *ecs.TasksStoppedWaiterOptions) { options.MinDelay, options.MaxDelay = time.Second, time.Second }
	ended, err := ecs.NewTasksStoppedWaiter(client, often).WaitForOutput(ctx, asked, longest)
	if err != nil {
		return err
	}
	// An error of the service's has a type of its own, which callers tell it by.
	nowhere := "nowhere"
	_, err = client.ListTasks(ctx, &ecs.ListTasksInput{Cluster: &nowhere})
	var unknown *types.ClusterNotFoundException
	return json.NewEncoder(os.Stdout).Encode(map[string]any{
		"task":      ended.Tasks[0],
		"isUnknown": errors.As(err, &unknown),
	})
}
