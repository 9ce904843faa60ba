using System.Text.Json.Serialization;

namespace Barkeep.Keeping;

/// <summary>How collection's memory becomes JSON and back, without reflection.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(CollectionMemory))]
sealed partial class CollectionJson : JsonSerializerContext;
