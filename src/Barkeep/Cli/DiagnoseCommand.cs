using System.CommandLine;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Barkeep.Cli.Shared;
using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Health;

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
                    ["barkeep_ver"] = typeof(DiagnoseCommand).Assembly.GetName().Version?.ToString(3),
                    ["kernel_ver"] = RuntimeInformation.OSDescription,
                    ["runtime_ver"] = RuntimeInformation.FrameworkDescription,
                    ["timestamp"] = session.Time.GetLocalNow().ToString("O"),
                },
            },
            ["servers"] = servers,
        };
        using var bytes = new MemoryStream();
        await using (var writer = new Utf8JsonWriter(bytes, new() { Indented = true }))
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
            var backups = new JsonArray();
            foreach (var backup in (await ServerBackups.ReadAsync(session, server, withWal: true, cancellationToken)).OldestFirst)
            {
                backups.Add((JsonNode)backup.ListRow());
            }
            description["backups"] = backups;
            if (session.IsSetUp(server))
            {
                var (facts, findings) = await CheckReport.GatherAsync(session, config, cancellationToken);
                description["status"] = Status(facts);
                description["check"] = new JsonArray([.. findings.Select(static f => (JsonNode)f.ToString())]);
            }
        }
        catch (BarkeepException e) when (e.Kind != ErrorKind.Interrupted)
        {
            description["error"] = e.Line;
        }
        return description;
    }

    static JsonObject WithSources(IEnumerable<(string Key, string Value)> rows, IReadOnlyDictionary<string, string> sources)
    {
        var json = new JsonObject();
        foreach (var (key, value) in rows)
        {
            var source = sources.GetValueOrDefault(key) ?? (ConfigKey.Find(key) is null ? "derived" : "default");
            json[key] = new JsonObject { ["value"] = value, ["source"] = source };
        }
        return json;
    }

    static JsonObject Status(HealthFacts facts) => new()
    {
        ["server_version"] = facts.Server?.Version,
        ["system_id"] = facts.Known?.SystemId.ToString(System.Globalization.CultureInfo.InvariantCulture),
        ["wal_position"] = facts.Server?.Position.ToString(),
        ["receiver_phase"] = facts.Receiver?.Phase.ToString(),
        ["receiver_reason"] = facts.Receiver?.Reason,
        ["receiver_flushed"] = facts.Receiver?.Flushed.ToString(),
        ["receiver_updated_at"] = facts.Receiver?.UpdatedAt.ToString("O"),
        ["slots"] = new JsonArray([.. (facts.Server?.Slots ?? []).Select(static s => (JsonNode)$"{s.Name}: {s.WalStatus ?? "no WAL"}, {new ByteSize(s.RetainedBytes)} retained, {s.Client ?? "inactive"}")]),
        ["gaps"] = new JsonArray([.. (facts.Coverage?.Gaps ?? []).Select(static g => (JsonNode)g.ToString())]),
    };
}
