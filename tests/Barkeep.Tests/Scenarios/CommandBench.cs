using System.Text.Json.Nodes;
using Barkeep.Common;
using Barkeep.Tests.Rig;

namespace Barkeep.Tests.Scenarios;

/// <summary>A server, its roles, and the program configured for it as server montagu: what a user has before the first command.</summary>
public sealed class CommandBench : IAsyncDisposable
{
    public const string Server = "montagu";

    CommandBench(TestCluster cluster, BarkeepRig rig, BarkeepRoles roles)
    {
        Cluster = cluster;
        Rig = rig;
        Roles = roles;
    }

    public TestCluster Cluster { get; }

    public BarkeepRig Rig { get; }

    public BarkeepRoles Roles { get; }

    public static async Task<CommandBench> StartAsync(TestClusterOptions? options = null, bool grants = true)
    {
        var cluster = await TestCluster.StartNewAsync(options);
        var bench = new CommandBench(cluster, new BarkeepRig(), await cluster.CreateBarkeepRolesAsync(grants));
        bench.Configure();
        return bench;
    }

    /// <summary>As <see cref="StartAsync"/>, and setup-barman has been run.</summary>
    public static async Task<CommandBench> SetUpAsync(TestClusterOptions? options = null, params IEnumerable<string> arguments)
    {
        var bench = await StartAsync(options);
        (await bench.Rig.RunAsync(["setup-barman", .. arguments])).Checked();
        return bench;
    }

    /// <summary>Writes the server's file; a null value leaves a key out.</summary>
    public void Configure(params IEnumerable<(string Key, JsonNode? Value)> keys) =>
        Rig.WriteServer(Server, Cluster, Roles, keys.ToDictionary(static k => k.Key, static k => k.Value));

    public Task<CommandResult> BarmanAsync(params IEnumerable<string> arguments) => Rig.RunAsync(["barman", .. arguments]);

    /// <summary>Runs a command that must be refused: with the kind's exit code, one line that holds the text, and everything as it was.</summary>
    public Task<string> RefusedAsync(ErrorKind kind, string text, params IEnumerable<string> line) => Rig.RefusedAsync(kind, text, line);

    public async ValueTask DisposeAsync()
    {
        await Rig.DisposeAsync();
        await Cluster.DisposeAsync();
    }
}
