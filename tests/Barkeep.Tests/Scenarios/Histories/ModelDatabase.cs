namespace Barkeep.Tests.Scenarios.Histories;

/// <summary>A database as the author of a history knows it.</summary>
sealed record ModelDatabase(string Name)
{
    public List<ModelTable> Tables { get; } = [];

    public List<string> Sequences { get; } = [];

    /// <summary>Sessions and prepared transactions in it that have not ended: with any, it can be neither copied nor moved nor dropped.</summary>
    public int Open { get; set; }

    /// <summary>Its object identifier, when it was made with one that a later database can be given again.</summary>
    public uint? Oid { get; set; }

    /// <summary>The tablespace that it was moved to; null for pg_default.</summary>
    public string? Tablespace { get; set; }

    /// <summary>Tablespaces that its relations may be in, besides its own.</summary>
    public HashSet<string> Uses { get; } = [];
}
