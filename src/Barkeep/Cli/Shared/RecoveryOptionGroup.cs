using System.CommandLine;
using System.Globalization;
using System.Text;
using Barkeep.Cli.Processes;
using Barkeep.Common;
using Barkeep.Configuration;
using Barkeep.Recovery;
using Barkeep.Restores;
using Barkeep.Wal;

namespace Barkeep.Cli.Shared;

/// <summary>The options that say where recovery of a restored cluster stops, what happens there, and where its WAL comes from.</summary>
sealed class RecoveryOptionGroup
{
    // xlog_internal.h, MAXFNAMELEN, less the final zero.
    const int MaxNameBytes = 63;

    readonly Option<string> _time = new("--target-time") { Description = "stop before the first transaction that ended after this time: '2026-11-23 01:30:00+01:00'; without an offset it is in this machine's zone" };
    readonly Option<string> _xid = new("--target-xid") { Description = "stop after this transaction's end" };
    readonly Option<string> _lsn = new("--target-lsn") { Description = "stop after the record at this position in the WAL" };
    readonly Option<string> _name = new("--target-name") { Description = "stop at this restore point" };
    readonly Option<bool> _immediate = new("--target-immediate") { Description = "stop at the backup's end" };
    readonly Option<bool> _exclusive = new("--exclusive") { Description = "stop just before the target" };
    readonly Option<string> _timeline = new("--target-tli") { Description = "a timeline's number, latest (the default) or current: the backup's own" };
    readonly Option<string> _action = Choice.Restrict(new Option<string>("--target-action") { Description = "what PostgreSQL does at the target: pause (the default), promote, shutdown" }, ["pause", "promote", "shutdown"]);
    readonly Option<bool> _standby = new("--standby-mode") { Description = "restore a standby, which goes on replaying what is received" };
    readonly Option<bool> _getWal = new("--get-wal") { Description = "let PostgreSQL get the WAL from Barkeep while it replays" };
    readonly Option<bool> _noGetWal = new("--no-get-wal") { Description = "put the WAL that is needed into the directory; the default" };
    readonly Option<string> _command = new("--restore-command") { Description = "let PostgreSQL get the WAL by this command instead" };

    public void AddTo(Command command)
    {
        foreach (var option in (Option[])[_time, _xid, _lsn, _name, _immediate, _exclusive, _timeline, _action, _standby, _getWal, _noGetWal, _command])
        {
            command.Add(option);
        }
    }

    /// <summary>Adds what was said to what is to be restored. An assumption about a time's zone is said aloud.</summary>
    /// <exception cref="BarkeepException">Usage.</exception>
    public RestoreOptions Apply(RestoreOptions options, Session session, ParseResult parse)
    {
        var exclusive = parse.GetValue(_exclusive);
        var target = Target(session, parse);
        if (exclusive && target is null or { Kind: RecoveryTargetKind.Name or RecoveryTargetKind.Immediate })
        {
            throw new BarkeepException(ErrorKind.Usage, "--exclusive means nothing without a target time, transaction or LSN", "PostgreSQL always stops right after a restore point, and at the backup's end");
        }
        var action = Action(parse.GetValue(_action));
        if (action is not null && target is null)
        {
            throw new BarkeepException(ErrorKind.Usage, "--target-action means nothing without a target", "without one everything is replayed, and PostgreSQL opens");
        }
        var command = Command(session, options.Server, parse);
        return options with
        {
            Until = target is null ? null : target with { IsInclusive = !exclusive },
            Action = action,
            Timeline = Timeline(parse.GetValue(_timeline)),
            IsStandby = parse.GetValue(_standby),
            RestoreCommand = command,
            ReadsRepository = command is not null && parse.GetValue(_command) is null,
        };
    }

    RecoveryTarget? Target(Session session, ParseResult parse)
    {
        var targets = new List<RecoveryTarget>();
        if (parse.GetValue(_time) is { } time)
        {
            targets.Add(RecoveryTarget.AtTime(TimeValue.Read(session, _time.Name, time)));
        }
        if (parse.GetValue(_xid) is { } xid)
        {
            targets.Add(RecoveryTarget.AtXid(Xid(xid)));
        }
        if (parse.GetValue(_lsn) is { } lsn)
        {
            targets.Add(RecoveryTarget.AtLsn(Lsn.TryParse(lsn, out var position) ? position : throw Wrong("--target-lsn", lsn, "a position in the WAL such as 16/B374D848")));
        }
        if (parse.GetValue(_name) is { } name)
        {
            targets.Add(RecoveryTarget.AtName(name.Length > 0 && Encoding.UTF8.GetByteCount(name) <= MaxNameBytes ? name : throw Wrong("--target-name", name, $"a name of 1 to {MaxNameBytes} bytes")));
        }
        if (parse.GetValue(_immediate))
        {
            targets.Add(RecoveryTarget.Immediate);
        }
        return targets.Count <= 1 ? targets.FirstOrDefault() : throw new BarkeepException(ErrorKind.Usage, "You cannot specify multiple targets for the recovery operation");
    }

    // With an epoch, as pg_current_xact_id() shows it, or without; PostgreSQL drops the epoch too.
    static uint Xid(string text) =>
        ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && (uint)number >= 3
            ? (uint)number
            : throw Wrong("--target-xid", text, "the number of a transaction");

    static TargetAction? Action(string? text) => text switch
    {
        null => null,
        "promote" => TargetAction.Promote,
        "shutdown" => TargetAction.Shutdown,
        _ => TargetAction.Pause,
    };

    static TimelineChoice Timeline(string? text) =>
        text is null ? TimelineChoice.Latest
        : TimelineChoice.TryParse(text, out var choice) ? choice
        : throw Wrong("--target-tli", text, "a timeline's number, latest or current");

    // A standby has to get from somewhere what is yet to come.
    string? Command(Session session, ServerName server, ParseResult parse)
    {
        var (own, getWal, noGetWal) = (parse.GetValue(_command), parse.GetValue(_getWal), parse.GetValue(_noGetWal));
        if (noGetWal && (getWal || own is not null))
        {
            throw new BarkeepException(ErrorKind.Usage, $"--no-get-wal and {(getWal ? "--get-wal" : "--restore-command")} exclude each other");
        }
        return own ?? (getWal || (parse.GetValue(_standby) && !noGetWal) ? GetWal(session, server) : null);
    }

    // 1 is the end of WAL to PostgreSQL, which then opens without the rest. It is also what the loader of programs says of one that was built for a newer
    // system, as may happen where the server runs in a container of its own: so only a program that can run at all is believed.
    static string GetWal(Session session, ServerName server)
    {
        var program = Quote(OwnProgram.FileName);
        return $"BARKEEP_HOME={Quote(session.Locations.Home)} {program} wal-restore --partial {server} %f %p || {{ status=$?; {program} --version >/dev/null || exit {RecoveryCommand.Trouble}; exit $status; }}";
    }

    // For the shell, and for PostgreSQL, which replaces what follows a percent sign.
    static string Quote(string text) => $"'{text.Replace("'", @"'\''", StringComparison.Ordinal).Replace("%", "%%", StringComparison.Ordinal)}'";

    static BarkeepException Wrong(string option, string text, string wanted) => new(ErrorKind.Usage, $"{option} is '{text}', not {wanted}");
}
