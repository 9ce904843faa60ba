using System.Text;
using Barkeep.Common;

namespace Barkeep.Repo;

/// <summary>Which paths a manifest may name: those that PostgreSQL can have in a data directory and that a restore may write.</summary>
public static class PathGrammar
{
    const int MaxComponentBytes = 255;
    const int MaxPathBytes = 1024;

    // A restore makes these itself, or they would make a stopped cluster look like a running one.
    static readonly string[] Reserved = ["postmaster.pid", "postmaster.opts", "recovery.signal", "standby.signal", "tablespace_map"];

    static readonly string[] AlwaysDirectories = ["base", "global", "pg_tblspc", "pg_wal"];

    static readonly string[] WalDirectories = ["pg_wal/archive_status", "pg_wal/summaries"];

    /// <summary>Refuses a path that leaves the data directory or that a backup never holds.</summary>
    /// <exception cref="BarkeepException">HostilePath.</exception>
    public static void Check(string manifest, string path, ManifestEntryKind kind)
    {
        var problem = kind == ManifestEntryKind.External ? ProblemOfExternal(path) : ProblemOf(path, kind);
        if (problem is not null)
        {
            throw new BarkeepException(ErrorKind.HostilePath, $"{manifest} names the path '{Printable(path)}', which {problem}", "the manifest was not written by Barkeep or was altered: do not restore from it");
        }
    }

    static string? ProblemOf(string path, ManifestEntryKind kind)
    {
        if (ProblemOfText(path) is { } problem)
        {
            return problem;
        }
        if (path[0] == '/')
        {
            return "is absolute";
        }
        if (path.Split('/').Any(static part => part is "" or "." or ".."))
        {
            return "has an empty, . or .. part";
        }
        if (Reserved.Contains(path, StringComparer.Ordinal))
        {
            return "only a restore or a running server makes";
        }
        if (path.StartsWith("pg_wal/", StringComparison.Ordinal) && !(kind == ManifestEntryKind.Directory && WalDirectories.Contains(path, StringComparer.Ordinal)))
        {
            return "is WAL, which is not part of a manifest";
        }
        if (kind != ManifestEntryKind.Directory && AlwaysDirectories.Contains(path, StringComparer.Ordinal))
        {
            return "is always a directory";
        }
        return null;
    }

    static string? ProblemOfExternal(string path) =>
        ProblemOfText(path)
        ?? (path[0] != '/' || path.Split('/').Skip(1).Any(static part => part is "" or "." or "..") ? "is not a plain absolute path" : null);

    static string? ProblemOfText(string path)
    {
        if (path.Length == 0)
        {
            return "is empty";
        }
        if (path.AsSpan().ContainsAny('\0', '\n', '\uFFFD'))
        {
            return "has a byte that no such name has";
        }
        return Encoding.UTF8.GetByteCount(path) > MaxPathBytes || path.Split('/').Any(static part => Encoding.UTF8.GetByteCount(part) > MaxComponentBytes)
            ? "is too long"
            : null;
    }

    static string Printable(string path) =>
        string.Concat(path.Take(200).Select(static c => char.IsControl(c) ? '?' : c));
}
