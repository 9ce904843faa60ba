using System.CommandLine;
using System.Globalization;
using Barkeep.Cli.Shared;
using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Postgres;
using Barkeep.Repo;
using Barkeep.Wal;

namespace Barkeep.Cli;

/// <summary><c>switch-wal</c>: has the server close its WAL segment, and waits for it if asked.</summary>
sealed class SwitchWalCommand : SessionCommand
{
    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    readonly Argument<string[]> _servers = CommonArguments.Servers();
    readonly Option<bool> _force = new("--force") { Description = "have the server write a record first, so that there is something to close" };
    readonly Option<bool> _archive = new("--archive") { Description = "wait until the segment is in the repository" };
    readonly Option<int?> _timeout = NumberOption.Between(0, int.MaxValue, "seconds to wait; 30 unless said", "--archive-timeout");

    public SwitchWalCommand()
        : base("switch-wal", "Have servers close their present WAL segment.")
    {
        Aliases.Add("switch-xlog");
        Add(_servers);
        Add(_force);
        Add(_archive);
        Add(_timeout);
    }

    public override Task<int> RunAsync(Session session, ParseResult parse, CancellationToken cancellationToken) =>
        session.ForEachAsync(session.Select(parse.GetValue(_servers)!), async server =>
        {
            var config = session.ReadSetUp(server);
            var lineage = await session.OpenLineageAsync(server, cancellationToken);
            var closed = await SwitchAsync(session, config, lineage, parse.GetValue(_force), cancellationToken);
            if (closed is { } name && parse.GetValue(_archive))
            {
                await WaitAsync(session, server, lineage, name, TimeSpan.FromSeconds(parse.GetValue(_timeout) ?? 30), cancellationToken);
            }
            return 0;
        });

    static async Task<SegmentName?> SwitchAsync(Session session, ServerConfig config, Lineage lineage, bool force, CancellationToken cancellationToken)
    {
        await using var sql = await SqlSession.OpenAsync(config, "switch-wal", cancellationToken);
        if (await sql.ScalarAsync<bool>("asking whether it is a standby", "SELECT pg_is_in_recovery()", cancellationToken))
        {
            session.Output.Info($"No switch performed because server '{config.Name}' is a standby.");
            return null;
        }
        if (force)
        {
            await sql.WriteLittleWalAsync(cancellationToken);
        }
        // The end of what was closed; exactly between two segments when there was nothing to close (pg_switch_wal).
        var end = Lsn.Parse(await sql.ScalarAsync<string>("switching to a new WAL segment", "SELECT pg_switch_wal()::text", cancellationToken));
        var size = lineage.Identity.SegmentSize;
        if (size.OffsetOf(end) == 0)
        {
            session.Output.Info($"No switch required for server '{config.Name}'");
            return null;
        }
        var timeline = await sql.ScalarAsync<string>("asking for the timeline", string.Create(CultureInfo.InvariantCulture, $"SELECT left(pg_walfile_name('{end}'), 8)"), cancellationToken);
        var closed = SegmentName.Containing(TimelineId.TryParseHex(timeline, out var id) ? id : TimelineId.First, end, size);
        session.Output.Info($"The WAL file {closed} has been closed on server '{config.Name}'");
        return closed;
    }

    static async Task WaitAsync(Session session, ServerName server, Lineage lineage, SegmentName name, TimeSpan limit, CancellationToken cancellationToken)
    {
        session.Output.Info($"Waiting for the WAL file {name} from server '{server}' (max: {limit.TotalSeconds:0} seconds)");
        for (var start = session.Time.GetTimestamp(); !await lineage.Wal.HasSegmentAsync(name, cancellationToken);)
        {
            if (session.Time.GetElapsedTime(start) >= limit)
            {
                throw new BarkeepException(ErrorKind.WalTimeout, $"The WAL file {name} has not been received in {limit.TotalSeconds:0} seconds", $"barman check {server} shows why");
            }
            await Task.Delay(Pause, session.Time, cancellationToken);
        }
        session.Output.Info($"The WAL file {name} has been received from server '{server}'");
    }
}
