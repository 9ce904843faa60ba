using System.CommandLine;
using Barkeep.Backups;
using Barkeep.Cli.Shared;
using Barkeep.Common;

namespace Barkeep.Cli;

/// <summary><c>backup</c>: takes a backup of each server named.</summary>
sealed class BackupCommand : SessionCommand
{
    readonly Argument<string[]> _servers = CommonArguments.Servers();
    readonly Option<int?> _jobs = NumberOption.Between(1, 64, "connections that read at the same time", "--jobs", "-j");
    readonly Option<int?> _bandwidth = NumberOption.Between(0, int.MaxValue, "kilobytes a second; 0 is no limit", "--bwlimit");
    readonly Option<bool> _full = new("--full") { Description = "read everything, not only what has changed since the last backup" };
    readonly Option<string> _incremental = new("--incremental") { Description = "as without it: what has changed since the last backup is read", Hidden = true };
    readonly Option<string> _reuse = new("--reuse-backup") { Description = "as without it: what is stored is stored once", Hidden = true };
    readonly Option<string> _name = new("--name") { Description = "a name for people" };
    readonly Option<bool> _immediate = new("--immediate-checkpoint") { Description = "a checkpoint at once; the default" };
    readonly Option<bool> _spread = new("--no-immediate-checkpoint") { Description = "wait for a checkpoint that spares the server" };
    readonly Option<bool> _wait = new("--wait", "-w") { Description = "fail unless the WAL that the backup needs arrives" };
    readonly Option<int?> _waitTimeout = NumberOption.Between(0, int.MaxValue, "seconds to wait for that WAL", "--wait-timeout");
    readonly IgnoredOptions _ignored = new(
        "--retry-times", "--retry-sleep", "--no-retry!", "--jobs-start-batch-period", "--jobs-start-batch-size",
        "--keepalive-interval", "--manifest!", "--no-manifest!", "--check-timeout", "--cloud-staging-directory", "--cloud-staging-max-size");

    public BackupCommand()
        : base("backup", "Take a backup of servers.")
    {
        Add(_servers);
        foreach (var option in (Option[])[_full, _incremental, _reuse, _jobs, _bandwidth, _name, _immediate, _spread, _wait, _waitTimeout])
        {
            Add(option);
        }
        _ignored.AddTo(this);
    }

    public override Task<int> RunAsync(Session session, ParseResult parse, CancellationToken cancellationToken)
    {
        _ignored.Warn(session, parse);
        var name = parse.GetValue(_name);
        CheckName(name);
        return session.ForEachAsync(session.Select(parse.GetValue(_servers)!), async server =>
        {
            var config = session.ReadSetUp(server);
            var wait = parse.GetValue(_wait);
            var options = new BackupOptions
            {
                Jobs = parse.GetValue(_jobs) ?? config.Jobs,
                BandwidthLimit = parse.GetValue(_bandwidth) ?? config.BandwidthLimit,
                FastCheckpoint = !parse.GetValue(_spread),
                Full = parse.GetValue(_full),
                Name = name,
                WaitWithoutReceiver = wait,
            };
            if (parse.GetValue(_waitTimeout) is { } seconds)
            {
                options = options with { WalTimeout = TimeSpan.FromSeconds(seconds) };
            }
            var result = await BackupReport.RunAsync(session, config, options, cancellationToken);
            return wait && result.Missing is { } missing
                ? throw new BarkeepException(ErrorKind.WalTimeout, $"backup {result.Id} still waits for WAL {missing} of server '{server}'", $"cron completes it when it arrives; barman check {server} shows why it does not")
                : 0;
        });
    }

    static void CheckName(string? name)
    {
        if (name is not null && (string.IsNullOrWhiteSpace(name) || name == "all" || ServerBackups.IsWord(name) || BackupId.TryParse(name, out _)))
        {
            throw new BarkeepException(ErrorKind.Usage, $"a backup cannot be called '{name}'", "ids, and words such as latest, name backups already");
        }
    }
}
