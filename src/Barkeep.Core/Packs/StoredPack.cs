using System.Globalization;
using Barkeep.Common;

namespace Barkeep.Packs;

/// <summary>One generation of a pack, as a listing shows it.</summary>
/// <param name="Name">As manifests name the pack: <c>20261123T131251/0001</c>.</param>
/// <param name="Generation">0 as the backup wrote it; the highest that is there is the pack.</param>
/// <param name="StoredLength">Bytes it takes; 0 when nobody has looked.</param>
public readonly record struct StoredPack(string Name, int Generation, long StoredLength = 0)
{
    /// <summary>The id of the backup that wrote it.</summary>
    public string Owner => Name[..Name.IndexOf('/')];

    /// <summary>Its number among its owner's.</summary>
    public int Number => int.Parse(Name.AsSpan(Name.IndexOf('/') + 1), NumberStyles.None, CultureInfo.InvariantCulture);

    /// <summary>As the object is named, below <c>packs/</c>.</summary>
    public override string ToString() => Generation == 0 ? Name : string.Create(CultureInfo.InvariantCulture, $"{Name}.{Generation}");

    /// <summary>Reads what follows <c>packs/</c> in an object's name.</summary>
    internal static bool TryParse(string name, long storedLength, out StoredPack pack)
    {
        var dot = name.IndexOf('.');
        var generation = 0;
        pack = default;
        if (!IsName(dot < 0 ? name : name.AsSpan(0, dot))
            || (dot >= 0 && (!int.TryParse(name.AsSpan(dot + 1), NumberStyles.None, CultureInfo.InvariantCulture, out generation) || generation < 1 || name[dot + 1] == '0')))
        {
            return false;
        }
        pack = new(dot < 0 ? name : name[..dot], generation, storedLength);
        return true;
    }

    /// <summary>Whether a manifest may name a pack so.</summary>
    internal static bool IsName(ReadOnlySpan<char> name)
    {
        var slash = name.IndexOf('/');
        return slash > 0 && BackupId.TryParse(name[..slash], out _) && name.Length - slash - 1 is >= 4 and <= 9
            && !name[(slash + 1)..].ContainsAnyExceptInRange('0', '9');
    }
}
