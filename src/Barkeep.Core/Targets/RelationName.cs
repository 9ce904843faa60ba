namespace Barkeep.Targets;

/// <summary>What a relation was called when a backup was taken.</summary>
/// <param name="Kind">pg_class.relkind: r, i, t, m, S …</param>
public sealed record RelationName(string Database, string Schema, string Name, char Kind)
{
    /// <summary><c>shop.public.orders</c>.</summary>
    public override string ToString() => $"{Database}.{Schema}.{Name}";
}
