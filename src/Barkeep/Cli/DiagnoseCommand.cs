using System.CommandLine;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Barkeep.Cli.Shared;
using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Health;
using Barkeep.Postgres;

namespace Barkeep.Cli;

/// <summary><c>diagnose</c>: everything that helps to find a fault, as JSON, to be sent to somebody: it holds no secrets.</summary>
sealed class DiagnoseCommand : SessionCommand
{
    readonly Option<bool> _sources = new("--show-config-source") { Description = "say of each value where it comes from" };

    public DiagnoseCommand()
        : base("diagnose", "Print everything that helps to find a fault, as JSON, without secrets.") => Add(_sources);

    public override async Task<int> RunAsync(Session session, ParseResult parse, CancellationToken cancellationToken)
    {
        var servers = new JsonObject();
        foreach (var server in session.Config.ListServers())
        {
            servers[server.ToString()] = await DescribeAsync(session, server, parse.GetValue(_sources), cancellationToken);
        }
        var all = new JsonObject
        {
            ["global"] = new JsonObject
            {
                ["barkeep_home"] = session.Locations.Home,
                ["barkeep_restore"] = session.Locations.Restore,
                ["barkeep_config_dir"] = session.Locations.ConfigDirectory,
                ["system_info"] = new JsonObject
                {
                    ["barkeep_ver"] = ProgramVersion.Number,
                    ["kernel_ver"] = KernelVersion(),
                    ["release"] = RuntimeInformation.OSDescription,
                    ["runtime_ver"] = RuntimeInformation.FrameworkDescription,
                    ["timestamp"] = session.Time.GetLocalNow().ToString("O"),
                },
            },
            ["servers"] = servers,
        };
        using var bytes = new MemoryStream();
        await using (var writer = new Utf8JsonWriter(bytes, new() { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            all.WriteTo(writer);
        }
        Console.Out.WriteLine(Encoding.UTF8.GetString(bytes.GetBuffer(), 0, (int)bytes.Length));
        return 0;
    }

    static async Task<JsonObject> DescribeAsync(Session session, ServerName server, bool withSources, CancellationToken cancellationToken)
    {
        var description = new JsonObject();
        try
        {
            var config = session.Config.Read(server);
            var rows = ServerReport.Configuration(config).Concat(ServerReport.Places(session, server)).ToList();
            description["config"] = withSources ? WithSources(rows, session.Config.ReadSources(server)) : ServerReport.ToJson(rows);
            var backups = new JsonObject();
            foreach (var backup in (await ServerBackups.ReadAsync(session, server, withWal: true, cancellationToken)).OldestFirst)
            {
                backups[backup.Id.ToString()] = backup.ListRow();
            }
            description["backups"] = backups;
            if (session.IsSetUp(server))
            {
                var (facts, findings) = await CheckReport.GatherAsync(session, config, cancellationToken);
                description["status"] = Status(facts);
                description["check"] = CheckReport.ToJson(findings);
            }
        }
        catch (BarkeepException e) when (e.Kind != ErrorKind.Interrupted)
        {
            description["error"] = e.Line;
        }
        return description;
    }

    static JsonObject WithSources(IEnumerable<(string Key, JsonNode? Value)> rows, IReadOnlyDictionary<string, string> sources)
    {
        var json = new JsonObject();
        foreach (var (key, value) in rows)
        {
            var source = sources.GetValueOrDefault(key) ?? (ConfigKey.Find(key) is null ? "derived" : "default");
            json[key] = new JsonObject { ["value"] = value, ["source"] = source };
        }
        return json;
    }

    static JsonObject Status(HealthFacts facts)
    {
        var json = ServerReport.ToJson(ServerReport.State(facts));
        json["receiver_phase"] = facts.Receiver?.Phase.ToString();
        json["receiver_reason"] = facts.Receiver?.Reason;
        json["receiver_flushed"] = facts.Receiver?.Flushed.ToString();
        json["receiver_updated_at"] = facts.Receiver?.UpdatedAt.ToString("O");
        json["slots"] = new JsonArray([.. (facts.Server?.Slots ?? []).Select(static s => (JsonNode)Slot(s))]);
        json["gaps"] = new JsonArray([.. (facts.Coverage?.Gaps ?? []).Select(static g => (JsonNode)g.ToString())]);
        json["wal_bytes"] = facts.WalBytes;
        return json;
    }

    static JsonObject Slot(ReplicationSlot slot) => new()
    {
        ["name"] = slot.Name,
        ["active"] = slot.IsActive,
        ["client"] = slot.Client,
        ["wal_status"] = slot.WalStatus,
        ["retained_bytes"] = slot.RetainedBytes,
        ["safe_wal_bytes"] = slot.SafeWalSize,
    };

    // As uname -srvm prints it; the name of the machine is nobody's business.
    static string KernelVersion()
    {
        const string Kernel = "/proc/sys/kernel";
        return $"Linux {File.ReadAllText($"{Kernel}/osrelease").Trim()} {File.ReadAllText($"{Kernel}/version").Trim()} {RuntimeInformation.OSArchitecture}";
    }
}
