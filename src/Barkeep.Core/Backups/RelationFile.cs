using System.Globalization;
using Barkeep.Wal;

namespace Barkeep.Backups;

/// <summary>
/// A path below the data directory taken apart as that of a relation fork's file (storage.sgml, "Database File Layout"):
/// directory, number, fork, segment.
/// </summary>
/// <param name="Directory"><c>base/16384</c>, <c>global</c>, <c>pg_tblspc/16390/PG_15_202209061/16384</c>.</param>
/// <param name="Number">The relation's file number.</param>
/// <param name="Fork">main, fsm, vm or init.</param>
/// <param name="Segment">0 for the fork's first file.</param>
readonly record struct RelationFile(string Directory, uint Number, string Fork, uint Segment)
{
    const string Main = "main";
    const string FreeSpaceMap = "fsm";
    const string VisibilityMap = "vm";
    const string Init = "init";

    public bool IsInit => Fork == Init;

    /// <summary>What all forks and segments of one relation share.</summary>
    public string Key => $"{Directory}/{Number}";

    public bool IsFreeSpaceMap => Fork == FreeSpaceMap;

    /// <summary>As WAL records name the fork.</summary>
    public RelationFork ToFork()
    {
        const uint DefaultTablespace = 1663;
        const uint GlobalTablespace = 1664;
        var fork = Fork switch { Main => ForkNumber.Main, FreeSpaceMap => ForkNumber.FreeSpaceMap, VisibilityMap => ForkNumber.VisibilityMap, _ => ForkNumber.Init };
        var parts = Directory.Split('/');
        return parts.Length switch
        {
            1 => new(GlobalTablespace, 0, Number, fork),
            2 => new(DefaultTablespace, ParseNumber(parts[1]), Number, fork),
            _ => new(ParseNumber(parts[1]), ParseNumber(parts[^1]), Number, fork),
        };
    }

    /// <returns>False for a file that belongs to no relation, or to a temporary one.</returns>
    public static bool TryParse(string path, out RelationFile file)
    {
        file = default;
        var slash = path.LastIndexOf('/');
        if (slash < 0 || !IsRelationDirectory(path.AsSpan(0, slash)))
        {
            return false;
        }
        var name = path.AsSpan(slash + 1);
        uint segment = 0;
        var dot = name.IndexOf('.');
        if (dot >= 0)
        {
            if (!TryNumber(name[(dot + 1)..], out segment) || segment == 0)
            {
                return false;
            }
            name = name[..dot];
        }
        var fork = Main;
        var underscore = name.IndexOf('_');
        if (underscore >= 0)
        {
            fork = name[(underscore + 1)..] switch { FreeSpaceMap => FreeSpaceMap, VisibilityMap => VisibilityMap, Init => Init, _ => "" };
            name = name[..underscore];
        }
        if (fork.Length == 0 || !TryNumber(name, out var number) || number == 0)
        {
            return false;
        }
        file = new(path[..slash], number, fork, segment);
        return true;
    }

    /// <summary>Whether it is a temporary relation's file: <c>t3_16400</c>, with fork and segment as any (storage/reinit.c, common/file_utils).</summary>
    public static bool IsTemporary(string path)
    {
        var slash = path.LastIndexOf('/');
        if (slash < 0 || slash + 1 >= path.Length || path[slash + 1] != 't' || !IsRelationDirectory(path.AsSpan(0, slash)))
        {
            return false;
        }
        var name = path.AsSpan(slash + 2);
        var underscore = name.IndexOf('_');
        return underscore > 0 && TryNumber(name[..underscore], out _)
            && TryParse($"{path.AsSpan(0, slash)}/{name[(underscore + 1)..]}", out _);
    }

    /// <summary>Whether relations' files are in this directory: global, or that of a database.</summary>
    public static bool IsRelationDirectory(ReadOnlySpan<char> directory)
    {
        if (directory is "global")
        {
            return true;
        }
        var slash = directory.LastIndexOf('/');
        if (slash < 0 || !TryNumber(directory[(slash + 1)..], out _))
        {
            return false;
        }
        var parent = directory[..slash];
        return parent is "base"
            || (parent.StartsWith("pg_tblspc/", StringComparison.Ordinal) && parent[(parent.LastIndexOf('/') + 1)..].StartsWith("PG_", StringComparison.Ordinal));
    }

    static uint ParseNumber(string text) => uint.Parse(text, NumberStyles.None, CultureInfo.InvariantCulture);

    static bool TryNumber(ReadOnlySpan<char> text, out uint number) =>
        uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);
}
