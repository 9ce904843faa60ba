using System.Text.Json.Nodes;
using Barkeep.Tests.Rig;
using Xunit;

namespace Barkeep.Tests.Scenarios;

/// <summary>Passwords are in the inputs, in the remembered overrides, and nowhere else.</summary>
public sealed class SecretTests
{
    const string BackupCanary = "canary-of-the-backup-role";
    const string StreamCanary = "canary-of-the-streaming-role";
    const string FileCanary = "canary-in-a-file";

    static readonly string[] Canaries = [BackupCanary, StreamCanary, FileCanary];

    static readonly string[] Commands =
    [
        "setup-barman --debug", "barman -d cron", "barman -d list-backup all", "barman -d check montagu", "barman -d -f json check montagu", "barman -d check --nagios montagu",
        "barman -d status montagu", "barman -d show-backup montagu latest", "barman -d list-files montagu latest", "barman -d show-servers montagu",
        "barman -d -f json show-servers montagu", "barman -d diagnose", "barman -d replication-status montagu", "barman -d switch-wal --force --archive montagu",
        "barman -d backup montagu", "barman -d check-backup montagu latest", "barman -d receive-wal montagu", "barman -d receive-wal --create-slot montagu",
        "barman -d delete montagu oldest", "setup-barman -d --print-sql", "setup-barman -d --no-verify", "barman -d list-servers", "barman -d nonsense",
        "restore-last -d", "restore-last -d", "setup-barman -d",
    ];

    [Fact]
    public async Task S1_no_command_and_no_failure_shows_a_password()
    {
        await using var bench = await CommandBench.StartAsync();
        await bench.Cluster.SqlAsync($"ALTER ROLE {BarkeepRoles.Backup} PASSWORD '{BackupCanary}'; ALTER ROLE {BarkeepRoles.Stream} PASSWORD '{StreamCanary}'");
        bench.Configure(("pass_backup", BackupCanary), ("pass_stream", null));
        bench.Rig.Environment["BARMAN_MONTAGU_PASS_STREAM"] = StreamCanary;

        // When all is well, then with each thing that can go wrong in an input that holds a secret.
        foreach (var command in Commands)
        {
            await RunAsync(bench, command);
        }
        foreach (var spoil in Spoilers(bench))
        {
            await spoil();
            foreach (var command in (string[])["setup-barman -d", "barman -d check montagu", "barman -d diagnose"])
            {
                await RunAsync(bench, command);
            }
        }
        AssertHomeIsClean(bench.Rig.Home);
    }

    static IEnumerable<Func<Task>> Spoilers(CommandBench bench)
    {
        Task Keys(params (string, JsonNode?)[] keys)
        {
            bench.Configure(keys);
            return Task.CompletedTask;
        }
        var file = Path.Combine(bench.Rig.ConfigDirectory, "montagu.json");
        yield return () => Keys(("pass_backup", FileCanary));
        yield return () => Keys(("pass_backup", BackupCanary), ("sslmode", "verify-full"));
        yield return () => Keys(("pass_backup", BackupCanary), ("port", 1));
        yield return () => Keys(("pass_backup", BackupCanary), ("dbname", "nowhere"));
        yield return () => Keys(("pass_backup", BackupCanary), ("nonsense", FileCanary));
        yield return () => File.WriteAllTextAsync(file, $$"""{ "host": "127.0.0.1", "pass_backup": "{{FileCanary}}" "port": 1 }""");
        yield return () => File.WriteAllTextAsync(file, $$"""{ "host": "127.0.0.1", "pass_backup": ["{{FileCanary}}"] }""");
        yield return () =>
        {
            bench.Configure(("pass_backup", BackupCanary));
            bench.Rig.Environment["BARMAN_MONTAGU_PASS_STREAM"] = FileCanary;
            return Task.CompletedTask;
        };
        yield return async () =>
        {
            bench.Rig.Environment["BARMAN_MONTAGU_PASS_STREAM"] = StreamCanary;
            await bench.Cluster.StopAsync();
        };
    }

    static async Task RunAsync(CommandBench bench, string command)
    {
        var process = bench.Rig.Start(command.Split(' '));
        while (!process.HasExited)
        {
            foreach (var pid in bench.Rig.Processes())
            {
                AssertClean($"the arguments of {command}", string.Join(' ', ProcessTable.CommandLine(pid)));
            }
            await Task.Delay(20, TestContext.Current.CancellationToken);
        }
        var result = await process.ExitAsync(TimeSpan.FromMinutes(2));
        AssertClean($"what {command} prints", result.Output + result.Error);
    }

    static void AssertHomeIsClean(string home)
    {
        foreach (var path in Directory.EnumerateFiles(home, "*", SearchOption.AllDirectories).Where(static p => !p.EndsWith("/server.json", StringComparison.Ordinal)))
        {
            AssertClean(path, File.ReadAllText(path));
        }
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(home, "montagu/server.json")));
    }

    static void AssertClean(string where, string text) =>
        Assert.All(Canaries, canary => Assert.False(text.Contains(canary, StringComparison.Ordinal), $"{canary} in {where}:\n{text}"));
}
